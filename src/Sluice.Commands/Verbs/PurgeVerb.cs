using System.CommandLine;
using Sluice.Commands.Client;
using Sluice.LoadGenerator.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice purge.</summary>
internal static class PurgeVerb
{
    /// <summary>AMQP's reply code for what a queue of this kind does not do.</summary>
    private const int NotImplemented = 540;

    private static readonly Argument<string> Queue = new("queue") { Description = "Queue to empty." };

    public static Command Create() => Invocation.Verb("purge", "Drop all messages that wait in a queue.", invocation => Task.FromResult(Run(invocation))).With(Queue).WithAmqp();

    private static int Run(Invocation invocation)
    {
        string queue = invocation.Value(Queue);
        using AmqpClient client = invocation.ConnectAmqp();
        uint dropped;
        try
        {
            dropped = client.PurgeQueue(queue);
        }
        catch (AmqpClosedException error) when (error.Code == NotImplemented)
        {
            throw new CommandException($"'{queue}' is a topic or stream, which cannot be purged: its records go when its retention says so (for a topic: 'sluice topic alter {queue} --config retention.ms=60000'), or with it ('sluice queue delete {queue}').");
        }

        return invocation.Done($"{dropped:N0} messages dropped from queue '{queue}'.", "purged", dropped);
    }
}
