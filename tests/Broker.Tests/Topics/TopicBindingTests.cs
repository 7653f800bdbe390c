using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Broker.Tests.Queues;
using Sluice.Broker.Topics;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Topics;

/// <summary>Topics of several partitions as what bindings lead to and what is published to by name.</summary>
public sealed class TopicBindingTests : IDisposable
{
    /// <summary>Keys and where Kafka's default partitioner puts them among four: murmur2 of Kafka's own test vectors.</summary>
    private static readonly (string Key, int Partition)[] s_keys = [("21", 0), ("foobar", 2), ("a-little-bit-longer-string", 3), ("abc", 3), ("a.b", 1)];

    private readonly TestBroker _broker = new();

    public void Dispose() => _broker.Dispose();

    [Fact]
    public void A_key_has_its_partition_and_its_messages_keep_their_order()
    {
        Create("t", 4);
        Bind("amq.topic", "t", "#");
        for (int round = 0; round < 3; round++)
        {
            foreach ((string key, _) in s_keys)
            {
                _broker.PublishTo("amq.topic", key, new TestBroker.Body($"{key} {round}"));
            }
        }

        for (int partition = 0; partition < 4; partition++)
        {
            string[] keys = [.. s_keys.Where(one => one.Partition == partition).Select(static one => one.Key)];
            Assert.Equal(from round in Enumerable.Range(0, 3) from key in keys select $"{key} {round}", Bodies($"t:{partition}"));
        }
    }

    [Fact]
    public void Without_a_key_turns_go_round_the_partitions_and_keep_together()
    {
        Topic topic = Create("t", 4);
        for (int turn = 0; turn < 8; turn++)
        {
            _broker.Publish("t", "a", "b", "c");
        }

        Assert.Equal([6, 6, 6, 6], Counts(topic));

        // Topics that a publisher writes by turns go round each for itself.
        Topic other = Create("u", 2);
        for (int turn = 0; turn < 4; turn++)
        {
            _broker.Publish("t", "d");
            _broker.Publish("u", "e");
        }

        Assert.Equal([7, 7, 7, 7, 2, 2], [.. Counts(topic), .. Counts(other)]);
    }

    [Fact]
    public void Without_a_key_what_goes_to_several_topics_keeps_together_in_each()
    {
        Topic topic = Create("t", 4), other = Create("u", 3);
        Bind("amq.fanout", "t", "");
        Bind("amq.fanout", "u", "");
        for (int turn = 0; turn < 3; turn++)
        {
            _broker.PublishTo("amq.fanout", "", new TestBroker.Body("a"), new TestBroker.Body("b"), new TestBroker.Body("c"));
        }

        Assert.Equal([3, 3, 3, 0, 3, 3, 3], [.. Counts(topic), .. Counts(other)]);
    }

    [Fact]
    public void A_topic_that_grows_keeps_its_bindings_and_uses_what_it_got()
    {
        Topic topic = Create("t", 1);
        Bind("amq.topic", "t", "#");
        _broker.PublishTo("amq.topic", "abc", new TestBroker.Body("1"));
        Grow(topic, 2);
        Assert.Single(_broker.Host.ListBindings());
        Grow(topic, 4);
        _broker.PublishTo("amq.topic", "abc", new TestBroker.Body("2"));
        Assert.Equal([1, 0, 0, 1], Counts(topic));
        _broker.Restart();
        topic = _broker.Host.FindTopic("t")!;
        _broker.PublishTo("amq.topic", "foobar", new TestBroker.Body("3"));
        Assert.Equal([1, 0, 1, 1], Counts(topic));
        Assert.Equal(4, Enumerable.Range(0, 4).Select(_ => _broker.Publish("t", "x")).Count());
        Assert.Equal([2, 1, 2, 2], Counts(topic));

        // As a stream the name is still the first partition.
        Assert.Equal(["1", "x"], Bodies("t"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void Bindings_of_durable_exchanges_survive(CrashKind? crash)
    {
        Create("t", 4);
        Assert.True(_broker.Run(_broker.Host.DeclareExchangeAsync(new ExchangeDefinition("brief", "topic", false, false, false, Arguments.Empty))).IsOk);
        Bind("amq.topic", "t", "#");
        Bind("brief", "t", "#");
        _broker.PublishTo("amq.topic", "foobar", new TestBroker.Body("1"));
        if (crash is { } kind)
        {
            _broker.Crash(kind);
        }
        else
        {
            _broker.Restart();
        }

        (string source, _) = Assert.Single(_broker.Host.ListBindings());
        Assert.Equal("amq.topic", source);
        _broker.PublishTo("amq.topic", "foobar", new TestBroker.Body("2"));
        Assert.Equal(["1", "2"], Bodies("t:2"));
        Assert.True(_broker.Run(_broker.Host.UnbindAsync("amq.topic", DestinationKind.Queue, "t", "#", Arguments.Empty, null)).IsOk);
        _broker.Restart();
        Assert.Empty(_broker.Host.ListBindings());
    }

    [Fact]
    public void Exchanges_lead_there_through_others_and_as_the_alternate()
    {
        Topic topic = Create("t", 4);
        MessageQueue queue = _broker.Declare("q");
        Declare("first", "direct", ("alternate-exchange", "second"));
        Declare("second", "fanout");
        Declare("third", "fanout");
        Bind("first", "q", "known");
        Assert.True(_broker.Run(_broker.Host.BindAsync("second", DestinationKind.Exchange, "third", "", Arguments.Empty, null)).IsOk);
        Bind("third", "t", "");
        Bind("second", "t", "");
        Bind("third", "q", "");
        _broker.PublishTo("first", "known", new TestBroker.Body("1"));
        Assert.Equal([0, 0, 0, 0, 1], [.. Counts(topic), queue.ReadyCount]);
        _broker.PublishTo("first", "foobar", new TestBroker.Body("2"));
        Assert.Equal([0, 0, 1, 0, 2], [.. Counts(topic), queue.ReadyCount]);
    }

    [Fact]
    public void A_transaction_reaches_all_partitions_or_none()
    {
        Topic topic = Create("t", 4);
        Bind("amq.topic", "t", "#");
        using PublishTurn transaction = _broker.Host.CreateTransaction();
        Stage(transaction);
        Assert.Equal([0, 0, 0, 0], Counts(topic));
        transaction.Clear();
        Assert.Null(transaction.Commit([]).Failure);
        Assert.Equal([0, 0, 0, 0], Counts(topic));
        Stage(transaction);
        Assert.Null(transaction.Commit([]).Failure);
        Assert.Equal([1, 1, 1, 2], Counts(topic));
        _broker.Scheduler.RunAll();
        _broker.Crash(CrashKind.Process);
        Assert.Equal([1, 1, 1, 2], Counts(_broker.Host.FindTopic("t")!));
    }

    [Fact]
    public void Dead_letters_go_there()
    {
        Topic topic = Create("t", 4);
        Bind("amq.topic", "t", "#");
        MessageQueue queue = _broker.Declare("q", ("x-dead-letter-exchange", "amq.topic"), ("x-dead-letter-routing-key", "foobar"));
        _broker.Publish("q", "1");
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        queue.Reject([consumer.Messages[0].Id]);
        _broker.Scheduler.RunAll();
        Assert.Equal([0, 0, 1, 0], Counts(topic));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Deleting_by_name_deletes_the_topic_with_its_bindings(int partitions)
    {
        Create("t", partitions);
        Declare("alone", "fanout", autoDelete: true);
        Bind("alone", "t", "");
        Bind("amq.topic", "t", "#");
        _broker.Publish("t", "1", "2");
        MessageQueue stream = _broker.Host.FindQueue(partitions == 1 ? "t" : "t:1", null).Value!;
        RecordingConsumer reader = RecordingConsumer.Create();
        Assert.True(stream.AddConsumer(reader).IsOk);
        Assert.Equal(BrokerStatus.InUse, Delete("t", ifUnused: true).Status);
        stream.RemoveConsumer(reader);
        Assert.Equal(BrokerStatus.NotEmpty, Delete("t", ifEmpty: true).Status);
        BrokerResult<long> deleted = Delete("t");
        Assert.Equal((BrokerStatus.Ok, 2), (deleted.Status, deleted.Value));
        Assert.Null(_broker.Host.FindTopic("t"));
        Assert.Empty(_broker.Host.ListBindings());
        Assert.Equal(BrokerStatus.NotFound, _broker.Host.FindExchange("alone").Status);
        Assert.Equal(PublishOutcome.Unroutable, Outcome("", "t"));
        Assert.Equal(PublishOutcome.Unroutable, Outcome("amq.topic", "k"));

        // A topic that is made again is another one.
        Topic next = Create("t", 2);
        _broker.PublishTo("amq.topic", "k", new TestBroker.Body("lost"));
        _broker.Publish("t", "1");
        Assert.Equal(1, Counts(next).Sum());
        _broker.Restart();
        Assert.Empty(_broker.Host.ListBindings());
    }

    [Fact]
    public void What_needs_one_partition_is_refused_with_what_to_do()
    {
        Create("t", 3);
        MessageQueue whole = _broker.Host.FindQueue("t", null).Value!;
        _broker.Publish("t", "1");
        Assert.Equal((1, 0, true), (whole.ReadyCount, whole.ConsumerCount, whole.IsOpen));
        BrokerResult consumed = whole.AddConsumer(RecordingConsumer.Create());
        Assert.Equal(BrokerStatus.InvalidArgument, consumed.Status);
        Assert.Contains("'t:0' and so on, or all as a share group (argument x-share-group)", consumed.Detail, StringComparison.Ordinal);
        Assert.Equal(BrokerStatus.Forbidden, Delete("t:1").Status);
        Assert.Equal(BrokerStatus.Differs, _broker.Run(_broker.Host.DeclareQueueAsync(new QueueDefinition("t", true, false, false, Arguments.Empty), null)).Status);
    }

    [Fact]
    public void The_brokers_own_topics_are_written_by_nobody_else()
    {
        _broker.Run(_broker.Host.CreateTopicAsync(new TopicDefinition("__own", Guid.NewGuid(), new Dictionary<string, string>(), IsInternal: true), 2));
        foreach (string name in new[] { "__own", "__own:0" })
        {
            Assert.Equal(PublishOutcome.Unroutable, Outcome("", name));
            Assert.Equal(BrokerStatus.Forbidden, _broker.Run(_broker.Host.BindAsync("amq.topic", DestinationKind.Queue, name, "#", Arguments.Empty, null)).Status);
            Assert.Equal(BrokerStatus.Forbidden, Delete(name).Status);
        }
    }

    [Fact]
    public void Partitions_do_not_take_the_names_of_queues()
    {
        MessageQueue queue = _broker.Declare("t:2");
        Assert.Equal(BrokerStatus.LimitReached, _broker.Host.CheckTopic(Definition("t"), 3).Status);
        Topic topic = Create("t", 2);
        Assert.Equal(BrokerStatus.LimitReached, _broker.Run(_broker.Host.AddPartitionsAsync(topic, 4)).Status);
        Assert.Same(queue, _broker.Host.FindQueue("t:2", null).Value);
        Assert.Equal(2, topic.Partitions.Count);
    }

    private static TopicDefinition Definition(string name) => new(name, Guid.NewGuid(), new Dictionary<string, string>());

    private static void Stage(PublishTurn turn)
    {
        foreach ((string key, _) in s_keys)
        {
            Assert.Equal(PublishOutcome.Routed, turn.Publish(new MessageToPublish { Exchange = "amq.topic"u8, RoutingKey = Encoding.UTF8.GetBytes(key), Persistent = true }, 0));
        }
    }

    private static long[] Counts(Topic topic) => [.. topic.Partitions.Select(static partition => partition.EndOffset)];

    private Topic Create(string name, int partitions) => _broker.Run(_broker.Host.CreateTopicAsync(Definition(name), partitions)).Value!;

    private void Grow(Topic topic, int partitions) => Assert.True(_broker.Run(_broker.Host.AddPartitionsAsync(topic, partitions)).IsOk);

    private void Declare(string exchange, string type, params (string Name, object? Value)[] arguments) => Declare(exchange, type, autoDelete: false, arguments);

    private void Declare(string exchange, string type, bool autoDelete, params (string Name, object? Value)[] arguments) =>
        Assert.True(_broker.Run(_broker.Host.DeclareExchangeAsync(new ExchangeDefinition(exchange, type, true, autoDelete, false, TestBroker.ToArguments(arguments)))).IsOk);

    private void Bind(string exchange, string queue, string key) =>
        Assert.True(_broker.Run(_broker.Host.BindAsync(exchange, DestinationKind.Queue, queue, key, Arguments.Empty, null)).IsOk);

    private BrokerResult<long> Delete(string name, bool ifUnused = false, bool ifEmpty = false) => _broker.Run(_broker.Host.DeleteQueueAsync(name, ifUnused, ifEmpty, null));

    private PublishOutcome Outcome(string exchange, string routingKey)
    {
        using PublishTurn turn = _broker.Host.CreatePublishTurn();
        return turn.Publish(new MessageToPublish { Exchange = Encoding.UTF8.GetBytes(exchange), RoutingKey = Encoding.UTF8.GetBytes(routingKey) }, 0);
    }

    private IEnumerable<string> Bodies(string stream)
    {
        RecordingConsumer consumer = RecordingConsumer.Create(start: new StreamStart(StreamStartKind.First));
        MessageQueue queue = _broker.Host.FindQueue(stream, null).Value!;
        Assert.True(queue.AddConsumer(consumer).IsOk);
        _broker.Scheduler.RunAll();
        queue.RemoveConsumer(consumer);
        return consumer.Bodies;
    }
}
