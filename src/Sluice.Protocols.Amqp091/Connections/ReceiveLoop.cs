using System.Buffers;
using System.IO.Pipelines;
using Microsoft.Extensions.Logging;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>
/// Reads what a connection's client sends and has whole frames handled in place (<see cref="FrameDispatcher"/>), turn by turn, until the connection is
/// finished; holds reading back while there is no room for more.
/// </summary>
internal sealed class ReceiveLoop(Amqp091Connection connection, Heartbeats heartbeats, PublisherBlock block) : IDisposable
{
    private readonly FlushList _flushes = new();
    private readonly FrameDispatcher _frames = new(connection);
    private volatile bool _isListening;

    /// <summary>It waits for the client, whose silence counts now. For any thread.</summary>
    public bool IsListening
    {
        get => _isListening;
        private set => _isListening = value;
    }

    public async Task RunAsync()
    {
        PipeReader input = connection.Client.Input;
        while (!connection.IsFinished)
        {
            IsListening = true;
            ReadResult result = await input.ReadAsync().ConfigureAwait(false);
            IsListening = false;
            ReadOnlySequence<byte> buffer = result.Buffer;
            if (!result.IsCanceled)
            {
                heartbeats.Heard();
            }

            while (HandleFrames(ref buffer, out PendingMethod pending))
            {
                // What came before is not held up by what takes long.
                FlushOutputs();
                await CompleteAsync(pending).ConfigureAwait(false);
            }

            connection.HandleRequests();
            input.AdvanceTo(buffer.Start, buffer.End);
            FlushOutputs();
            if (result.IsCompleted && !connection.IsFinished)
            {
                connection.Finish(connection.Client.AbortReason ?? (connection.State == ConnectionState.Connected ? "closed before the protocol header" : "the client closed the connection without connection.close"));
            }

            await WaitForRoomAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask CompleteAsync(PendingMethod pending)
    {
        try
        {
            await pending.Task.ConfigureAwait(false);
        }
        catch (AmqpException error)
        {
            connection.Fail(error, pending.MethodId, pending.Channel);
        }
        catch (IOException error)
        {
            connection.Server.Logger.LogError(error, "Connection {Connection}: method {Class}.{Method} failed, since storage did", connection.Name, pending.MethodId >> 16, pending.MethodId & 0xFFFF);
            connection.Fail(new AmqpException(ReplyCode.InternalError, $"storage failed: {error.Message}"), pending.MethodId, pending.Channel);
        }
    }

    private void FlushOutputs()
    {
        _flushes.Flush();
        connection.Client.Output.Flush();
    }

    /// <summary>Handles whole frames; true when a method must be awaited before the rest, false when the turn is over.</summary>
    private bool HandleFrames(ref ReadOnlySequence<byte> buffer, out PendingMethod pending)
    {
        _flushes.Begin();
        try
        {
            if (_frames.Handle(ref buffer, out pending))
            {
                return true;
            }

            connection.EndTurn();
            return false;
        }
        finally
        {
            FlushList.End();
        }
    }

    /// <summary>Back-pressure: before the next read, waits while the journal, the output or a resource of the broker is short.</summary>
    private async ValueTask WaitForRoomAsync()
    {
        if (connection.HasPublished && connection.State is ConnectionState.Running)
        {
            await connection.Server.Broker.Store.WaitForRoomAsync(connection.Client.Closed).ConfigureAwait(false);
            await block.WaitAsync().ConfigureAwait(false);
        }

        if (connection.Client.Output.PendingBytes > Amqp091Limits.OutputBytesMax)
        {
            // The peer can end this, so its silence counts.
            IsListening = true;
            await connection.Client.Output.WaitForRoomAsync(connection.Client.Closed).ConfigureAwait(false);
        }
    }

    public void Dispose() => _frames.Dispose();
}
