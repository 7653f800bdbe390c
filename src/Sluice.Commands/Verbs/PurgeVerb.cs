using System.CommandLine;
using Sluice.Commands.Client;
using Sluice.LoadGenerator.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice purge.</summary>
internal static class PurgeVerb
{
    private static readonly Argument<string> Queue = new("queue") { Description = "Queue to empty." };

    public static Command Create() => Invocation.Verb("purge", "Drop all messages that wait in a queue.", invocation => Task.FromResult(Run(invocation))).With(Queue).WithAmqp();

    private static int Run(Invocation invocation)
    {
        string queue = invocation.Value(Queue);
        using AmqpClient client = invocation.ConnectAmqp();
        uint dropped = client.PurgeQueue(queue);
        return invocation.Done($"{dropped:N0} messages dropped from queue '{queue}'.", "purged", dropped);
    }
}
