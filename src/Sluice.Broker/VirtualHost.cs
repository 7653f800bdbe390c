using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;

namespace Sluice.Broker;

/// <summary>
/// Names and routing of one virtual host: exchanges, queues, bindings, policies. Declarations complete when they are kept
/// (durable ones survive a restart). Thread-safe. <c>owner</c> is the connection (any object with identity) that exclusive queues belong to.
/// </summary>
public sealed class VirtualHost
{
    internal VirtualHost()
    {
    }

    public string Name => throw new NotImplementedException();

    /// <summary>Creates the queue, or checks that it exists with the same properties. An empty name lets the broker choose one (amq.gen-…).</summary>
    public ValueTask<BrokerResult<MessageQueue>> DeclareQueueAsync(QueueDefinition definition, object? owner) => throw new NotImplementedException();

    /// <summary>Finds a queue; NotFound, or Locked when it is exclusive to another connection than <paramref name="owner"/>.</summary>
    public BrokerResult<MessageQueue> FindQueue(string name, object? owner) => throw new NotImplementedException();

    /// <summary>Deletes; the value is the number of messages that went with it.</summary>
    public ValueTask<BrokerResult<long>> DeleteQueueAsync(string name, bool ifUnused, bool ifEmpty, object? owner) => throw new NotImplementedException();

    public ValueTask<BrokerResult> DeclareExchangeAsync(ExchangeDefinition definition) => throw new NotImplementedException();

    public BrokerResult<ExchangeDefinition> FindExchange(string name) => throw new NotImplementedException();

    public ValueTask<BrokerResult> DeleteExchangeAsync(string name, bool ifUnused) => throw new NotImplementedException();

    /// <summary>Binds a queue or exchange to an exchange; binding twice is no error.</summary>
    public ValueTask<BrokerResult> BindAsync(string source, DestinationKind kind, string destination, string routingKey, Arguments arguments, object? owner) => throw new NotImplementedException();

    /// <summary>Unbinds; no error if there is no such binding (as RabbitMQ).</summary>
    public ValueTask<BrokerResult> UnbindAsync(string source, DestinationKind kind, string destination, string routingKey, Arguments arguments, object? owner) => throw new NotImplementedException();

    /// <summary>Snapshots for operators.</summary>
    public IReadOnlyList<MessageQueue> ListQueues() => throw new NotImplementedException();

    public IReadOnlyList<ExchangeDefinition> ListExchanges() => throw new NotImplementedException();

    public IReadOnlyList<(string Source, Binding Binding)> ListBindings() => throw new NotImplementedException();

    public IReadOnlyList<PolicyDefinition> ListPolicies() => throw new NotImplementedException();

    public ValueTask<BrokerResult> SetPolicyAsync(PolicyDefinition policy) => throw new NotImplementedException();

    public ValueTask<BrokerResult> DeletePolicyAsync(string name, bool isOperator) => throw new NotImplementedException();

    /// <summary>A publisher's turn; one per connection or transactional channel.</summary>
    public PublishTurn CreatePublishTurn() => throw new NotImplementedException();

    /// <summary>The connection has gone: its exclusive queues are deleted. Its consumers must have been removed by the protocol.</summary>
    public ValueTask ReleaseOwnerAsync(object owner) => throw new NotImplementedException();
}

/// <summary>What a binding leads to.</summary>
public enum DestinationKind : byte
{
    Queue = 1,
    Exchange = 2,
}
