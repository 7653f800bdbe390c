namespace Sluice.Broker.Exchanges;

/// <summary>Where routing looks names up: a virtual host.</summary>
public interface IRoutingTable
{
    /// <summary>Null if there is none. Thread-safe, no lock held on return.</summary>
    Exchange? FindExchange(string name);

    /// <summary>The queue or topic of this UTF-8 name; null if there is none. No allocation.</summary>
    IDestination? FindQueue(ReadOnlySpan<byte> name);
}

/// <summary>Follows a message from the exchange it was published to, through exchanges bound to it and alternate exchanges.</summary>
public static class Routing
{
    /// <summary>
    /// Collects where a message goes: queues, and delayed exchanges that must hold it first (only if <see cref="RoutingInput.IsDelayed"/>; they are items of type
    /// <see cref="Exchange"/>). Each exchange is visited once, so cycles end. An exchange that matches nothing by any of the
    /// message's keys hands it to its alternate exchange, also one reached on the way (as RabbitMQ). No allocation in the steady state.
    /// </summary>
    /// <param name="table">Where names are looked up.</param>
    /// <param name="start">The exchange published to.</param>
    /// <param name="input">The message.</param>
    /// <param name="result">Empty; holds the answer until it is cleared.</param>
    public static void Collect(IRoutingTable table, Exchange start, in RoutingInput input, DestinationSet result)
    {
        if (start.IsDelayed && input.IsDelayed)
        {
            result.DependsOnKeyOnly = false;
            result.Add(start);
            return;
        }

        Visit(table, start, input, result);
        if (result.ExchangeCount == 0)
        {
            return;
        }

        // Exchanges found are work to do and, since the set holds each once, also the memory of what was visited.
        for (int i = 0; i < result.Count; i++)
        {
            if (result[i] is not Exchange exchange || ReferenceEquals(exchange, start))
            {
                continue;
            }

            if (exchange.IsDelayed && input.IsDelayed)
            {
                result.DependsOnKeyOnly = false;
            }
            else
            {
                Visit(table, exchange, input, result);
            }
        }

        result.RemoveExchanges(keepDelayed: input.IsDelayed);
    }

    private static void Visit(IRoutingTable table, Exchange exchange, in RoutingInput input, DestinationSet result)
    {
        int before = result.AddCount;
        if (exchange.IsDelayed || exchange.Router is HeadersRouter or ConsistentHashRouter)
        {
            result.DependsOnKeyOnly = false;
        }

        RouteOnce(table, exchange, input, result);
        if (input.ExtraRoutingKeys is { } keys && (exchange.IsDefault || exchange.Router.RoutesByKey))
        {
            RoutingInput other = input;
            for (int i = 0; i < keys.Count; i++)
            {
                other.RoutingKey = keys[i];
                RouteOnce(table, exchange, other, result);
            }
        }

        if (result.AddCount == before && exchange.AlternateExchange is { } name && table.FindExchange(name) is { } alternate)
        {
            result.Add(alternate);
        }
    }

    private static void RouteOnce(IRoutingTable table, Exchange exchange, in RoutingInput input, DestinationSet result)
    {
        if (!exchange.IsDefault)
        {
            exchange.Router.Route(input, result);
        }
        else if (table.FindQueue(input.RoutingKey) is { } queue)
        {
            result.Add(queue);
        }
    }
}
