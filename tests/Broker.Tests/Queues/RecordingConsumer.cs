using System.Text;
using Sluice.Broker.Messages;
using Sluice.Broker.Queues;

namespace Sluice.Broker.Tests.Queues;

/// <summary>A consumer that keeps what it is given and has as much credit as the test says.</summary>
internal sealed class RecordingConsumer : Consumer
{
    public int Credit { get; set; } = int.MaxValue;

    public List<Received> Messages { get; } = [];

    public int Runs { get; private set; }

    public bool WasCancelled { get; private set; }

    public bool? IsActive { get; private set; }

    public override bool CanTake => Credit > 0;

    public IEnumerable<string> Bodies => Messages.Select(message => message.Body);

    public static RecordingConsumer Create(string tag = "c", bool autoSettle = false, int credit = int.MaxValue, int priority = 0, bool exclusive = false, StreamStart? start = null) =>
        new() { Tag = tag, AutoSettle = autoSettle, Credit = credit, Priority = priority, Exclusive = exclusive, Start = start, Description = "test", Owner = new object() };

    public override void Deliver(in Delivery delivery)
    {
        Credit--;
        Messages.Add(new Received(
            delivery.Id,
            Encoding.UTF8.GetString(delivery.Message.Body),
            delivery.Redelivered,
            delivery.DeliveryCount,
            Encoding.UTF8.GetString(delivery.Message.Exchange),
            Encoding.UTF8.GetString(delivery.Message.RoutingKey),
            DeathHistory.Decode(delivery.Message.Deaths).Deaths,
            delivery.Message.TimestampMs));
    }

    public override void EndRun() => Runs++;

    public override void Cancelled() => WasCancelled = true;

    public override void ActiveChanged(bool active) => IsActive = active;

    public sealed record Received(MessageId Id, string Body, bool Redelivered, int DeliveryCount, string Exchange, string RoutingKey, IReadOnlyList<Death> Deaths, long TimestampMs);
}
