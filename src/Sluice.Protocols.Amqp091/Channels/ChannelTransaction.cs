using System.Buffers;
using Sluice.Broker.Publishing;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>What a transactional channel has published and settled since the last commit or rollback.</summary>
internal sealed class ChannelTransaction : IDisposable
{
    private readonly List<(UnacknowledgedDelivery Delivery, SettlementKind Kind)> _settled = [];

    public ChannelTransaction(PublishTurn turn) => Turn = turn;

    public PublishTurn Turn { get; }

    /// <summary>basic.return frames of unroutable mandatory messages: sent at commit, forgotten at rollback.</summary>
    public ArrayBufferWriter<byte> Returns { get; } = new();

    public void Settle(in UnacknowledgedDelivery delivery, SettlementKind kind) => _settled.Add((delivery, kind));

    /// <summary>What was settled, by queue and kind.</summary>
    public IReadOnlyList<TransactionSettlement> Settlements() =>
        [.. _settled
            .GroupBy(static one => (one.Delivery.Queue, one.Kind))
            .Select(static group => new TransactionSettlement(group.Key.Queue, [.. group.Select(static one => one.Delivery.Id)], group.Key.Kind))];

    /// <summary>The deliveries settled; the list is emptied.</summary>
    public List<UnacknowledgedDelivery> TakeSettled()
    {
        List<UnacknowledgedDelivery> taken = [.. _settled.Select(static one => one.Delivery)];
        _settled.Clear();
        return taken;
    }

    public void Dispose()
    {
        Turn.Clear();
        Turn.Dispose();
    }
}
