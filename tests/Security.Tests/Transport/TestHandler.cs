using System.IO.Pipelines;

namespace Sluice.Transport.Tests;

/// <summary>A protocol made of a delegate.</summary>
internal sealed class TestHandler(Func<ClientConnection, CancellationToken, Task> serve) : IProtocolHandler
{
    public string Name => "test";

    public Func<ClientConnection, string, Task>? Refuse { get; init; }

    public Task HandleAsync(ClientConnection connection, CancellationToken stopping) => serve(connection, stopping);

    public Task RefuseAsync(ClientConnection connection, string reason, CancellationToken stopping) => Refuse?.Invoke(connection, reason) ?? Task.CompletedTask;

    /// <summary>Sends back what it receives, until the peer has no more to say.</summary>
    public static async Task EchoAsync(ClientConnection connection, CancellationToken stopping)
    {
        connection.HandshakeCompleted();
        while (true)
        {
            ReadResult result = await connection.Input.ReadAsync(stopping);
            if (connection.Output.Enter())
            {
                connection.Output.Append(result.Buffer);
                connection.Output.Exit();
                connection.Output.Flush();
            }

            connection.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }

            await connection.Output.WaitForRoomAsync(stopping);
        }
    }

    public static void Say(ClientConnection connection, ReadOnlySpan<byte> text)
    {
        if (connection.Output.Enter())
        {
            connection.Output.Append(text);
            connection.Output.Exit();
            connection.Output.Flush();
        }
    }
}
