using Sluice.Broker.Exchanges;
using Sluice.Broker.Messages;
using Sluice.Broker.Queues;

namespace Sluice.Broker.Publishing;

/// <summary>Finds where a turn's messages go. What it finds is borrowed until the next message. The work grows with the number of queues found, and with nothing else.</summary>
internal sealed class TurnRouter(VirtualHost host)
{
    private readonly RouteCache _routes = new();
    private readonly DestinationSet _destinations = new();
    private readonly List<Exchange> _delayedExchanges = [];
    private MessageQueue[] _found = new MessageQueue[4];
    private int _foundCount;

    /// <summary>Exchanges that must hold the message first.</summary>
    public IReadOnlyList<Exchange> DelayedExchanges => _delayedExchanges;

    /// <summary>Finds queues and topics, and <see cref="DelayedExchanges"/>; Routed if there are any.</summary>
    /// <param name="message">The message.</param>
    /// <param name="holder">The exchange that a delayed message goes on from; null: the one it is published to.</param>
    /// <param name="cycleGuard">A queue that this history would bring the message back to in a cycle is left out; null for a message that did not die.</param>
    /// <param name="targets">Where it goes.</param>
    public PublishOutcome Route(in MessageToPublish message, Exchange? holder, DeathHistory? cycleGuard, out ReadOnlySpan<MessageQueue> targets)
    {
        long version = host.Names.RoutingVersion;
        bool cacheable = message.ExtraRoutingKeys is null && cycleGuard is null && holder is null;
        int slot = 0;
        _delayedExchanges.Clear();
        if (cacheable && _routes.TryFind(version, message.Exchange, message.RoutingKey, out slot, out targets))
        {
            return PublishOutcome.Routed;
        }

        targets = default;
        if (message.Exchange.IsEmpty && holder is null)
        {
            FindDefault(message, cycleGuard);
        }
        else
        {
            Exchange? exchange = holder ?? host.Names.FindExchange(message.Exchange);
            if (exchange is null)
            {
                return PublishOutcome.NoSuchExchange;
            }

            if (exchange.Definition.Internal && cycleGuard is null && holder is null)
            {
                return PublishOutcome.Internal;
            }

            _destinations.Clear();
            Routing.Collect(host.Names, exchange, InputFor(message), _destinations);
            cacheable &= _destinations.DependsOnKeyOnly;
            if (!TakeFound(message, cycleGuard))
            {
                return PublishOutcome.InvalidDelay;
            }
        }

        targets = _found.AsSpan(0, _foundCount);
        if (cacheable && _foundCount > 0)
        {
            _routes.Store(slot, version, message.Exchange, message.RoutingKey, targets);
        }

        return _foundCount > 0 || _delayedExchanges.Count > 0 ? PublishOutcome.Routed : PublishOutcome.Unroutable;
    }

    private void FindDefault(in MessageToPublish message, DeathHistory? cycleGuard)
    {
        if (message.ExtraRoutingKeys is not { } extra)
        {
            _foundCount = 0;
            Add(host.Names.FindTarget(message.RoutingKey), cycleGuard);
            return;
        }

        // Several keys may name a queue twice.
        _destinations.Clear();
        AddDistinct(host.Names.FindTarget(message.RoutingKey));
        foreach (byte[] key in extra)
        {
            AddDistinct(host.Names.FindTarget(key));
        }

        TakeFound(message, cycleGuard);
    }

    private void AddDistinct(MessageQueue? queue)
    {
        if (queue is not null)
        {
            _destinations.Add(queue);
        }
    }

    private RoutingInput InputFor(in MessageToPublish message) => new()
    {
        RoutingKey = message.RoutingKey,
        ExtraRoutingKeys = message.ExtraRoutingKeys,
        Headers = message.Headers,
        Properties = message.Properties,
        PropertiesReader = host.Broker.FindFormat(message.Format),
        IsDelayed = message.DelayMs > 0,
    };

    /// <summary>Takes over what the set holds, which is distinct already. False if a delayed exchange cannot keep the message that long.</summary>
    private bool TakeFound(in MessageToPublish message, DeathHistory? cycleGuard)
    {
        _foundCount = 0;
        foreach (IDestination destination in _destinations.Items)
        {
            if (destination is not Exchange { IsDelayed: true } exchange)
            {
                Add(destination as MessageQueue, cycleGuard);
            }
            else if (message.DelayMs > Delays.DelayStore.DelayMsMax)
            {
                return false;
            }
            else
            {
                _delayedExchanges.Add(exchange);
            }
        }

        return true;
    }

    private void Add(MessageQueue? queue, DeathHistory? cycleGuard)
    {
        if (queue is null || (cycleGuard is not null && cycleGuard.IsCycle(queue.Name)))
        {
            return;
        }

        if (_foundCount == _found.Length)
        {
            Array.Resize(ref _found, _found.Length * 2);
        }

        _found[_foundCount++] = queue;
    }
}
