using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Acls;
using Sluice.TestKit.Time;

namespace Sluice.Protocols.Kafka.Tests.Acls;

/// <summary>What the operator reads of refused operations, and how little a client can make of it.</summary>
public sealed class RefusalLogTests : IDisposable
{
    private readonly ManualTimeProvider _clock = new();
    private readonly Lines _lines = new();
    private readonly RefusalLog _log;

    public RefusalLogTests() => _log = new RefusalLog(_lines, _clock);

    public void Dispose() => _log.Dispose();

    [Fact]
    public void A_refusal_is_told_once_and_its_repetitions_are_counted_once_a_minute()
    {
        for (int i = 0; i < 60; i++)
        {
            Refuse("ada", "orders");
        }

        Assert.Equal(["User 'ada' from 10.0.0.1 was refused Read on topic 'orders': nothing allows it"], _lines.Take());
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(["User 'ada' was refused Read on topic 'orders' 59 more times within a minute"], _lines.Take());

        // It goes on: one line a minute, and no other.
        Refuse("ada", "orders");
        Assert.Empty(_lines.Take());
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(["User 'ada' was refused Read on topic 'orders' 1 more times within a minute"], _lines.Take());
        _clock.Advance(RefusalLog.Period);
        Assert.Empty(_lines.Take());
        Assert.Equal(0, _clock.TimerCount);

        // After a minute without it is news again.
        Refuse("ada", "orders");
        Assert.Single(_lines.Take());
    }

    [Fact]
    public void Others_resources_and_operations_are_told_of_by_themselves()
    {
        Refuse("ada", "orders");
        Refuse("bob", "orders");
        Refuse("ada", "bills");
        _log.Add("ada", "10.0.0.1", AclOperation.Alter, AclResourceType.Cluster, ClientAccess.ClusterName, "nothing allows it");
        string[] lines = _lines.Take();
        Assert.Equal(4, lines.Length);
        Assert.Equal("User 'ada' from 10.0.0.1 was refused Alter on the cluster: nothing allows it", lines[3]);
    }

    [Fact]
    public void Who_asks_for_ever_other_names_gets_a_hundred_lines_a_minute_and_a_count()
    {
        for (int i = 0; i < 5_000; i++)
        {
            Refuse("ada", $"{i}{new string('x', 30_000)}");
        }

        string[] lines = _lines.Take();
        Assert.Equal(RefusalLog.KeysMax, lines.Length);
        Assert.All(lines, static line => Assert.True(line.Length < 300));
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(["4900 more operations were refused within a minute, beyond 100 different ones that are told of"], _lines.Take());
    }

    [Fact]
    public void Entries_of_the_list_are_told_in_words()
    {
        Assert.Equal("User:ada from any address may Read topic 'orders'", Words(AclResourceType.Topic, AclPatternType.Literal, "orders", "User:ada", "*", AclOperation.Read, AclPermission.Allow));
        Assert.Equal("every user from 10.0.0.1 may not Write every topic whose name begins with 'o'", Words(AclResourceType.Topic, AclPatternType.Prefixed, "o", "User:*", "10.0.0.1", AclOperation.Write, AclPermission.Deny));
        Assert.Equal("User:ada from any address may do everything with every group", Words(AclResourceType.Group, AclPatternType.Literal, "*", "User:ada", "*", AclOperation.All, AclPermission.Allow));
        Assert.Equal("User:ada from any address may Alter the cluster", Words(AclResourceType.Cluster, AclPatternType.Literal, "kafka-cluster", "User:ada", "*", AclOperation.Alter, AclPermission.Allow));
    }

    private static string Words(AclResourceType type, AclPatternType pattern, string name, string principal, string host, AclOperation operation, AclPermission permission) =>
        AclWords.Entry(new Acl(type, pattern, name, principal, host, operation, permission));

    private void Refuse(string user, string topic) => _log.Add(user, "10.0.0.1", AclOperation.Read, AclResourceType.Topic, topic, "nothing allows it");

    private sealed class Lines : ILogger
    {
        private readonly List<string> _lines = [];

        public string[] Take()
        {
            string[] taken = [.. _lines];
            _lines.Clear();
            return taken;
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Assert.Equal(LogLevel.Warning, logLevel);
            _lines.Add(formatter(state, exception));
        }
    }
}
