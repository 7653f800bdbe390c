using Microsoft.Extensions.Logging;
using Sluice.Base.Changes;
using Sluice.Base.Scheduling;
using Sluice.Broker.Definitions;
using Sluice.Broker.Delays;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Hosts;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Metadata;

namespace Sluice.Broker;

/// <summary>
/// Names and routing of one virtual host: exchanges, queues, bindings, policies. Declarations complete when they are kept
/// (durable ones survive a restart). Thread-safe. <c>owner</c> is the connection (any object with identity) that exclusive queues belong to.
/// </summary>
public sealed class VirtualHost
{
    internal const string ReservedPrefix = "amq.";
    private readonly SettingsInForce _settings = new();
    private readonly DelayedDelivery _delays;
    private readonly HostBindings _bindings;
    private readonly HostExchanges _exchanges;
    private readonly HostQueues _queues;
    private readonly HostPolicies _policies;
    private readonly HostTopics _topics;
    private readonly HostShares _shares;

    internal VirtualHost(MessageBroker broker, string name)
    {
        Broker = broker;
        Name = name;
        Logger = broker.Loggers.CreateLogger("Sluice.Broker.VirtualHost");
        Names = new HostNames(this);
        _delays = new DelayedDelivery(this);
        _bindings = new HostBindings(this, Names);
        _exchanges = new HostExchanges(this, Names, _bindings, _settings, _delays);
        _queues = new HostQueues(this, Names, _bindings, _settings);
        _policies = new HostPolicies(this, Names, _settings);
        _topics = new HostTopics(this, Names, _queues, _bindings, _settings);
        _queues.Topics = _topics;
        _shares = new HostShares(this);
        _exchanges.AddPredeclared();
    }

    public string Name { get; }

    public int QueueCount => Names.Queues.Count;

    internal MessageBroker Broker { get; }

    internal BrokerOptions Options => Broker.Options;

    internal LogStore Store => Broker.Store;

    internal IScheduler Scheduler => Broker.Scheduler;

    internal TimeProvider Clock => Broker.Clock;

    internal ILogger Logger { get; }

    /// <summary>Its queues and exchanges, as routing looks them up.</summary>
    internal HostNames Names { get; }

    /// <summary>Messages that wait in delayed exchanges; null until the first such exchange is declared.</summary>
    internal DelayStore? Delays => _delays.Store;

    /// <summary>Nothing can be declared in it any more.</summary>
    internal bool IsDeleted => Names.IsDeleted;

    internal long NowMs => Broker.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Creates the queue, or checks that it exists with the same properties. An empty name lets the broker choose one (amq.gen-…).</summary>
    public ValueTask<BrokerResult<MessageQueue>> DeclareQueueAsync(QueueDefinition definition, object? owner) => _queues.DeclareAsync(definition, owner);

    /// <summary>
    /// Creates a queue, or says what sets it apart (Differs) from the one that is there. Unlike a declaration this is no use of the queue: one that goes when nobody has used it for some time
    /// (x-expires) does not live longer by it.
    /// </summary>
    public ValueTask<BrokerResult<PutOutcome>> EnsureQueueAsync(QueueDefinition definition) => _queues.EnsureAsync(definition);

    /// <summary>Finds a queue; NotFound, or Locked when it is exclusive to another connection than <paramref name="owner"/>.</summary>
    public BrokerResult<MessageQueue> FindQueue(string name, object? owner) => _queues.Find(name, owner);

    /// <summary>
    /// A topic, or a stream, as the consumers of a share group compete for it. For one consumer, who must be added to what is returned. NotFound; InvalidArgument for a queue,
    /// which has no groups; Differs if the group is of another kind; Unsupported if the virtual host has no share groups.
    /// </summary>
    /// <param name="name">Of the topic or stream.</param>
    /// <param name="group">Of the group; made if it is not there.</param>
    /// <param name="start">Where it begins in a partition that it has not read; null: where its configuration says.</param>
    /// <param name="owner">The connection.</param>
    public ValueTask<BrokerResult<MessageQueue>> OpenShareAsync(string name, string group, StreamStart? start, object? owner) => _shares.OpenAsync(name, group, start, owner);

    /// <summary>Deletes; the value is the number of messages that went with it. A topic that goes by its name is logged.</summary>
    /// <param name="name">Of the queue, stream or topic.</param>
    /// <param name="ifUnused">Only if it has no consumers.</param>
    /// <param name="ifEmpty">Only if it has no messages.</param>
    /// <param name="owner">The connection.</param>
    /// <param name="by">The user who asks for it, for the log; null: the program that the broker is part of.</param>
    public async ValueTask<BrokerResult<long>> DeleteQueueAsync(string name, bool ifUnused, bool ifEmpty, object? owner, string? by = null)
    {
        BrokerResult<MessageQueue> found = FindQueue(name, owner);
        if (!found.IsOk)
        {
            if (found.Status == BrokerStatus.NotFound)
            {
                // To who deletes it, that is as good as a deletion.
                await Names.WhenKept().ConfigureAwait(false);
            }

            return new BrokerResult(found.Status, found.Detail);
        }

        CloseConditions conditions = (ifUnused ? CloseConditions.Unused : CloseConditions.None) | (ifEmpty ? CloseConditions.Empty : CloseConditions.None);
        Topic? topic = found.Value switch
        {
            TopicQueue whole => whole.Topic,
            StreamQueue { Partition.Topic: { Definition.IsQueue: false } its } => its,
            _ => null,
        };
        if (topic is null)
        {
            return await _queues.DeleteAsync((StoredQueue)found.Value!, conditions).ConfigureAwait(false);
        }

        if (topic.Definition.IsInternal || name != topic.Name)
        {
            return new BrokerResult(BrokerStatus.Forbidden, $"queue '{name}' in vhost '{Name}' is {(topic.Definition.IsInternal ? "the broker's own" : $"a partition of topic '{topic.Name}' and cannot be deleted by itself")}");
        }

        BrokerResult<long> deleted = await _topics.DeleteAsync(topic, conditions).ConfigureAwait(false);
        if (deleted.IsOk)
        {
            Logger.LogInformation(
                "{Who} deleted topic '{Topic}' with {Partitions} partition{Plural} as a queue of its name in virtual host '{Host}'",
                ChangeWords.Who(by), topic.Name, topic.Partitions.Count, topic.Partitions.Count == 1 ? "" : "s", Name);
        }

        return deleted.Status == BrokerStatus.NotFound ? 0 : deleted;
    }

    /// <summary>Null if there is none.</summary>
    public Topic? FindTopic(string name) => _topics.Find(name);

    /// <summary>Null if there is none.</summary>
    public Topic? FindTopic(Guid id) => _topics.Find(id);

    /// <summary>Topics, and what can be read as one: the streams, and if asked for the other queues.</summary>
    public IReadOnlyList<Topic> ListTopics(bool withQueues) => !withQueues ? ListTopics() : [.. _topics.AllWithQueues.OrderBy(static topic => topic.Name, StringComparer.Ordinal)];

    /// <summary>Topics and streams.</summary>
    public IReadOnlyList<Topic> ListTopics() => [.. _topics.All.OrderBy(static topic => topic.Name, StringComparer.Ordinal)];

    /// <summary>Whether such a topic could be created now: Differs if there is one or a queue of its name, InvalidArgument for a bad name or configuration, LimitReached for a bad number of partitions, Forbidden for a name of the broker's own.</summary>
    public BrokerResult CheckTopic(TopicDefinition definition, int partitions) => _topics.Check(definition, partitions);

    /// <summary>Creates the topic; complete when it is kept. Fails as <see cref="CheckTopic"/> does.</summary>
    public ValueTask<BrokerResult<Topic>> CreateTopicAsync(TopicDefinition definition, int partitions) => _topics.CreateAsync(definition, partitions);

    /// <summary>Whether <see cref="AddPartitionsAsync"/> could be done now.</summary>
    public BrokerResult CheckGrowth(Topic topic, int count) => _topics.CheckGrowth(topic, count);

    /// <summary>Adds partitions up to a total of <paramref name="count"/>. Differs if there are as many or more; LimitReached if there may not be so many.</summary>
    public async ValueTask<BrokerResult> AddPartitionsAsync(Topic topic, int count)
    {
        BrokerResult added = await _topics.AddPartitionsAsync(topic, count).ConfigureAwait(false);
        if (added.IsOk)
        {
            await _shares.GrowAsync(topic).ConfigureAwait(false);
        }

        return added;
    }

    /// <summary>Puts another configuration in the place of the topic's own: what <paramref name="change"/> makes of that. InvalidArgument if it is not valid.</summary>
    public ValueTask<BrokerResult> ConfigureTopicAsync(Topic topic, Func<IReadOnlyDictionary<string, string>, IReadOnlyDictionary<string, string>> change) => _topics.ConfigureAsync(topic, change);

    /// <summary>Deletes the topic with all its records. NotFound if it has gone.</summary>
    public async ValueTask<BrokerResult> DeleteTopicAsync(Topic topic)
    {
        BrokerResult<long> deleted = await _topics.DeleteAsync(topic, CloseConditions.None).ConfigureAwait(false);
        return new BrokerResult(deleted.Status, deleted.Detail);
    }

    /// <summary>Creates the exchange, or checks that it exists with the same properties.</summary>
    public ValueTask<BrokerResult<PutOutcome>> DeclareExchangeAsync(ExchangeDefinition definition) => _exchanges.DeclareAsync(definition);

    public BrokerResult<ExchangeDefinition> FindExchange(string name) =>
        Names.Exchanges.TryGetValue(name, out Exchange? exchange) ? exchange.Definition : Names.NoExchange(name);

    public ValueTask<BrokerResult> DeleteExchangeAsync(string name, bool ifUnused) => _exchanges.DeleteAsync(name, ifUnused);

    /// <summary>Binds a queue or exchange to an exchange; binding twice is no error.</summary>
    public ValueTask<BrokerResult<PutOutcome>> BindAsync(string source, DestinationKind kind, string destination, string routingKey, Arguments arguments, object? owner) =>
        _bindings.BindAsync(new BindingDefinition(source, kind, destination, routingKey, arguments), owner);

    /// <summary>Unbinds; no error if there is no such binding (as RabbitMQ).</summary>
    public ValueTask<BrokerResult> UnbindAsync(string source, DestinationKind kind, string destination, string routingKey, Arguments arguments, object? owner) =>
        _bindings.UnbindAsync(new BindingDefinition(source, kind, destination, routingKey, arguments), owner);

    /// <summary>Snapshots for operators.</summary>
    public IReadOnlyList<MessageQueue> ListQueues() => [.. Names.Queues.Values.OrderBy(queue => queue.Name, StringComparer.Ordinal)];

    public IReadOnlyList<ExchangeDefinition> ListExchanges() => [.. Names.Exchanges.Values.Select(exchange => exchange.Definition).OrderBy(definition => definition.Name, StringComparer.Ordinal)];

    public IReadOnlyList<(string Source, Binding Binding)> ListBindings() =>
        [.. Names.Exchanges.Values.OrderBy(exchange => exchange.Definition.Name, StringComparer.Ordinal)
            .SelectMany(exchange => exchange.Router.Bindings.Select(binding => (exchange.Definition.Name, binding)))];

    public IReadOnlyList<PolicyDefinition> ListPolicies() => _settings.Policies.Policies;

    /// <summary>Puts the policy into force in the place of the one of its name.</summary>
    public ValueTask<BrokerResult<PolicyChange>> SetPolicyAsync(PolicyDefinition policy) => _policies.SetAsync(policy);

    public ValueTask<BrokerResult> DeletePolicyAsync(string name, bool isOperator) => _policies.DeleteAsync(name, isOperator);

    /// <summary>A publisher's turn; one per connection.</summary>
    public PublishTurn CreatePublishTurn() => new(this);

    /// <summary>A transactional channel's turn: nothing of it happens before its commit.</summary>
    public PublishTurn CreateTransaction() => new(this) { IsTransaction = true };

    /// <summary>The connection has gone: its exclusive queues are deleted. Its consumers must have been removed by the protocol.</summary>
    public ValueTask ReleaseOwnerAsync(object owner) => _queues.ReleaseOwnerAsync(owner);

    /// <summary>Deletes a queue for a reason of the broker's own, unless that holds no more when its turn comes; the reason is logged.</summary>
    internal void DeleteInBackground(StoredQueue queue, CloseConditions conditions, string reason)
    {
        Logger.LogDebug("Queue '{Queue}' in virtual host '{Host}' is to be deleted: {Reason}", queue.Name, Name, reason);
        Scheduler.Post(new BackgroundDelete(this, _queues, queue, conditions));
    }

    /// <summary>
    /// Ends the host and all it holds, its own record included, in one transaction: nothing can be declared in it any more. The task ends when that is kept.
    /// <see cref="Release"/> is to follow, off the caller's lock, with the consumers.
    /// </summary>
    internal (ValueTask Kept, List<Consumer> Consumers) Delete()
    {
        lock (Names.Control)
        {
            Names.IsDeleted = true;
            ValueTask kept = Names.Commit([
                .. Store.Metadata.Range(MetadataKeys.AllOf(Name)).Select(entry => new MetadataOperation(entry.Key, null)),
                new MetadataOperation(MetadataKeys.VirtualHost(Name), null),
            ]);
            List<Consumer> consumers = _queues.CloseAll();
            _topics.Clear();
            Names.Exchanges.Clear();
            _bindings.Clear();
            Names.RoutingChanged();
            return (kept, consumers);
        }
    }

    /// <summary>Ends what must be waited for or told off the locks, after <see cref="Delete"/>.</summary>
    internal void Release(List<Consumer> consumers)
    {
        _delays.Delete();
        foreach (Consumer consumer in consumers)
        {
            consumer.Cancelled();
        }
    }

    /// <summary>
    /// Restores what the metadata store holds; nothing moves before <see cref="Start"/>. Ids of the logs in use are added to <paramref name="wanted"/>.
    /// </summary>
    internal void Load(HashSet<LogId> wanted)
    {
        _policies.Load();
        _exchanges.Load();
        _queues.Load(wanted);
        _topics.Load(wanted);
        _bindings.Load();
        wanted.UnionWith(_delays.Open());
    }

    /// <summary>Sets queues and delayed messages going. Once, after <see cref="Load"/>.</summary>
    internal void Start()
    {
        foreach (StoredQueue queue in Names.Queues.Values)
        {
            queue.Start();
        }

        _delays.Start();
    }

    /// <summary>Ends what works of itself: timers and delayed delivery. Waits for a delivery under way.</summary>
    internal void Stop()
    {
        lock (Names.Control)
        {
            Names.IsStopped = true;
            foreach (StoredQueue queue in Names.Queues.Values)
            {
                queue.Stop();
            }
        }

        _delays.Stop();
    }
}
