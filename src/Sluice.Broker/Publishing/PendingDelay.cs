using Sluice.Broker.Delays;
using Sluice.Broker.Messages;
using Sluice.Storage;

namespace Sluice.Broker.Publishing;

/// <summary>A message for a delayed exchange that waits for its group's commit. A copy: the receive buffer is long gone by then.</summary>
internal sealed class PendingDelay(string holder, in MessageToPublish message)
{
    private readonly byte[] _holder = System.Text.Encoding.UTF8.GetBytes(holder);
    private readonly byte[] _exchange = message.Exchange.ToArray();
    private readonly byte[] _routingKey = message.RoutingKey.ToArray();
    private readonly byte[] _properties = message.Properties.ToArray();
    private readonly byte[] _deaths = message.Deaths.ToArray();
    private readonly byte[] _body = message.Body.ToArray();
    private readonly IReadOnlyList<byte[]>? _extraRoutingKeys = message.ExtraRoutingKeys;
    private readonly PropertiesFormat _format = message.Format;
    private readonly bool _persistent = message.Persistent;
    private readonly long _timeToLiveMs = message.TimeToLiveMs;
    private readonly byte _priority = message.Priority;

    /// <summary>From the commit on.</summary>
    public long DelayMs { get; } = message.DelayMs;

    /// <summary>An upper bound on what it takes in a journal entry.</summary>
    public long BytesMax { get; } = MessageRecord.BatchBytesMax(message);

    /// <summary>The delay store's gate is held.</summary>
    public void Schedule(DelayStore delays, long nowMs, JournalGroup group) => delays.Schedule(
        _holder,
        new MessageToPublish
        {
            Exchange = _exchange,
            RoutingKey = _routingKey,
            ExtraRoutingKeys = _extraRoutingKeys,
            Format = _format,
            Properties = _properties,
            Body = _body,
            Persistent = _persistent,
            TimeToLiveMs = _timeToLiveMs,
            Priority = _priority,
            Deaths = _deaths,
        },
        nowMs + DelayMs,
        group);
}
