using Sluice.Base.Changes;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Broker.Tests.Queues;

namespace Sluice.Broker.Tests.Definitions;

/// <summary>Who asks for what is so already is told so when it is kept, not before: who has changed it may wait for the disk yet, or have failed.</summary>
public sealed class AlreadySoTests
{
    public static TheoryData<string> Operations => [.. s_operations.Keys];

    private static readonly Dictionary<string, Func<TestBroker, Task<BrokerResult>>> s_operations = new()
    {
        ["create virtual host"] = async static broker => await broker.Broker.CreateVirtualHostAsync("v"),
        ["declare queue"] = async static broker => await broker.Host.DeclareQueueAsync(new QueueDefinition("q", true, false, false, Arguments.Empty), null),
        ["ensure queue"] = async static broker => await broker.Host.EnsureQueueAsync(new QueueDefinition("q", true, false, false, Arguments.Empty)),
        ["delete queue"] = async static broker => await broker.Host.DeleteQueueAsync("there", false, false, null) is { IsOk: true } or { Status: BrokerStatus.NotFound } ? BrokerResult.Ok : new BrokerResult(BrokerStatus.Unavailable),
        ["declare exchange"] = async static broker => await broker.Host.DeclareExchangeAsync(new ExchangeDefinition("x", "direct", true, false, false, Arguments.Empty)),
        ["delete exchange"] = static broker => broker.Host.DeleteExchangeAsync("source", false).AsTask(),
        ["bind"] = async static broker => await broker.Host.BindAsync("source", DestinationKind.Queue, "there", "b", Arguments.Empty, null),
        ["unbind"] = static broker => broker.Host.UnbindAsync("source", DestinationKind.Queue, "there", "a", Arguments.Empty, null).AsTask(),
        ["set policy"] = async static broker => await broker.Host.SetPolicyAsync(Policy(1)),
    };

    [Theory]
    [MemberData(nameof(Operations))]
    public void The_second_is_answered_when_the_first_is_kept(string name)
    {
        using var broker = new TestBroker();
        Prepare(broker);
        long revision = broker.Store.Metadata.Revision;
        Task<BrokerResult> first = s_operations[name](broker);
        Task<BrokerResult> second = s_operations[name](broker);
        Assert.Equal(revision + 1, broker.Store.Metadata.Revision);
        Assert.False(first.IsCompleted);
        Assert.False(second.IsCompleted, "The second is answered before anything is on disk.");
        Assert.True(broker.Run(new ValueTask<BrokerResult>(first)).IsOk);
        Assert.True(broker.Run(new ValueTask<BrokerResult>(second)).IsOk);
        Assert.Equal(revision + 1, broker.Store.Metadata.Revision);
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void What_could_not_be_kept_is_an_error_each_time_it_is_asked_for(string name)
    {
        using var broker = new TestBroker();
        Prepare(broker);
        broker.Disk.Fault = static _ => new IOException("No space left on device");
        for (int attempt = 0; attempt < 3; attempt++)
        {
            Fails(() => broker.Run(new ValueTask<BrokerResult>(s_operations[name](broker))));
        }

        broker.Disk.Fault = null;
    }

    [Fact]
    public void What_the_store_does_not_take_any_more_is_an_error_each_time_it_is_asked_for()
    {
        using var broker = new TestBroker();
        Prepare(broker);
        broker.Disk.Fault = static _ => new IOException("No space left on device");
        broker.Publish("there", "m");
        Assert.NotNull(broker.Store.Failure);
        for (int attempt = 0; attempt < 3; attempt++)
        {
            Fails(() => broker.Run(broker.Host.SetPolicyAsync(Policy(1))));
        }

        broker.Disk.Fault = null;
    }

    [Fact]
    public void What_is_kept_by_nobody_is_so_at_once()
    {
        using var broker = new TestBroker();
        var passing = new QueueDefinition("passing", false, false, false, Arguments.Empty);
        Assert.True(broker.Host.DeclareQueueAsync(new QueueDefinition("q", true, false, false, Arguments.Empty), null).AsTask() is { IsCompleted: false });
        Assert.True(broker.Host.DeclareQueueAsync(passing, null).AsTask().IsCompletedSuccessfully);
        Assert.True(broker.Host.DeclareQueueAsync(passing, null).AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    public void To_compare_a_queue_is_no_use_of_it()
    {
        using var broker = new TestBroker();
        var definition = new QueueDefinition("q", true, false, false, TestBroker.ToArguments(("x-expires", 1000L)));
        broker.Declare(definition);
        broker.Advance(TimeSpan.FromMilliseconds(600));
        Assert.Equal(PutOutcome.Unchanged, broker.Run(broker.Host.EnsureQueueAsync(definition)).Value);
        Assert.Equal(BrokerStatus.Differs, broker.Run(broker.Host.EnsureQueueAsync(definition with { AutoDelete = true })).Status);
        broker.Advance(TimeSpan.FromMilliseconds(600));
        Assert.Equal(BrokerStatus.NotFound, broker.Host.FindQueue("q", null).Status);
        Assert.Equal(PutOutcome.Created, broker.Run(broker.Host.EnsureQueueAsync(definition)).Value);
    }

    [Fact]
    public void Setting_a_policy_says_what_was_there()
    {
        using var broker = new TestBroker();
        PolicyChange created = broker.Run(broker.Host.SetPolicyAsync(Policy(1))).Value!;
        PolicyChange same = broker.Run(broker.Host.SetPolicyAsync(Policy(1))).Value!;
        PolicyChange changed = broker.Run(broker.Host.SetPolicyAsync(Policy(2))).Value!;
        PolicyChange ofOperator = broker.Run(broker.Host.SetPolicyAsync(Policy(2) with { IsOperator = true })).Value!;
        Assert.Equal([PutOutcome.Created, PutOutcome.Unchanged, PutOutcome.Changed, PutOutcome.Created], new[] { created, same, changed, ofOperator }.Select(static change => change.Outcome));
        Assert.Equal("pattern '^none$', for queues, priority 1, max-length=1", created.Words);
        Assert.Equal("priority 2 instead of priority 1", changed.Words);
        PolicyChange both = new(Policy(1), Policy(1) with { Pattern = "^a", ApplyTo = "all", Settings = TestBroker.ToArguments(("max-length", 2L), ("dead-letter-exchange", "x")) });
        Assert.Equal("pattern '^a' instead of pattern '^none$'; for all instead of for queues; dead-letter-exchange=x, max-length=2 instead of max-length=1", both.Words);
    }

    /// <summary>Whoever waits for it may hear it wrapped.</summary>
    private static void Fails(Action action)
    {
        Exception error = Assert.ThrowsAny<Exception>(action);
        Assert.IsAssignableFrom<IOException>(error is AggregateException many ? many.InnerException : error);
    }

    private static PolicyDefinition Policy(int priority) => new("p", "^none$", "queues", priority, TestBroker.ToArguments(("max-length", 1L)), false);

    private static void Prepare(TestBroker broker)
    {
        MessageQueue there = broker.Declare("there");
        Assert.True(broker.Run(broker.Host.DeclareExchangeAsync(new ExchangeDefinition("source", "direct", true, false, false, Arguments.Empty))).IsOk);
        Assert.True(broker.Run(broker.Host.BindAsync("source", DestinationKind.Queue, there.Name, "a", Arguments.Empty, null)).IsOk);
    }
}
