using System.Buffers;
using Sluice.Broker.Messages;
using Sluice.Storage;

namespace Sluice.Broker.Tests.Messages;

public sealed class DeathHistoryTests
{
    [Fact]
    public void A_repeated_event_raises_the_count_and_moves_to_the_front()
    {
        DeathHistory history = DeathHistory.Empty
            .Add(Event("a", DeathReason.Expired, timeMs: 1))
            .Add(Event("b", DeathReason.MaxLength, timeMs: 2))
            .Add(Event("a", DeathReason.Rejected, timeMs: 3))
            .Add(Event("a", DeathReason.Expired, timeMs: 4));
        Assert.Equal([("a", DeathReason.Expired, 2, 1), ("a", DeathReason.Rejected, 1, 3), ("b", DeathReason.MaxLength, 1, 2)],
            history.Deaths.Select(death => (death.Queue, death.Reason, (int)death.Count, (int)death.TimeMs)));
        Assert.Same(history.Deaths[0], history.First);
    }

    [Fact]
    public void The_first_event_is_remembered_wherever_it_stands()
    {
        DeathHistory history = DeathHistory.Empty.Add(Event("a", DeathReason.Expired)).Add(Event("b", DeathReason.Expired)).Add(Event("c", DeathReason.Expired));
        Assert.Equal("a", RoundTrip(history).First!.Queue);
        history = history.Add(Event("a", DeathReason.Expired));
        Assert.Equal(["a", "c", "b"], history.Deaths.Select(death => death.Queue));
        Assert.Equal("a", RoundTrip(history).First!.Queue);
        Assert.Equal(2, RoundTrip(history).First!.Count);
    }

    [Fact]
    public void Keeps_a_bounded_number_of_lines()
    {
        DeathHistory history = DeathHistory.Empty;
        for (int i = 0; i < DeathHistory.DeathsMax + 5; i++)
        {
            history = history.Add(Event($"q{i}", DeathReason.Expired));
        }

        Assert.Equal(DeathHistory.DeathsMax, history.Deaths.Count);
        Assert.Equal("q5", history.Deaths[^1].Queue);
        Assert.Null(history.First);
        Assert.Equal(DeathHistory.DeathsMax, RoundTrip(history).Deaths.Count);
    }

    // Same rule as RabbitMQ's rabbit_dead_letter:is_cycle.
    [Theory]
    [InlineData("a:Expired", "a", true)] // expired and back at once
    [InlineData("a:Expired", "b", false)]
    [InlineData("a:Expired b:Expired", "a", true)] // round by two queues
    [InlineData("a:Expired b:Rejected", "a", false)] // rejected on the way
    [InlineData("a:Rejected b:Expired", "a", false)] // the event that it left the queue by counts too
    [InlineData("a:Rejected b:Expired", "b", true)]
    [InlineData("a:Rejected a:Expired", "a", true)]
    [InlineData("a:Expired a:Rejected", "a", false)]
    [InlineData("a:MaxLength b:DeliveryLimit", "a", true)]
    public void Only_a_circle_without_rejection_is_a_cycle(string events, string next, bool cycle)
    {
        DeathHistory history = DeathHistory.Empty;
        foreach (string[] parts in events.Split(' ').Select(one => one.Split(':')))
        {
            history = history.Add(Event(parts[0], Enum.Parse<DeathReason>(parts[1])));
        }

        Assert.Equal(cycle, history.IsCycle(next));
        Assert.Equal(cycle, RoundTrip(history).IsCycle(next));
    }

    [Fact]
    public void The_encoding_is_as_documented()
    {
        DeathHistory history = DeathHistory.Empty
            .Add(new Death("q", DeathReason.Expired, 1, "x", ["k", ""], 300, 60))
            .Add(new Death("ключ", DeathReason.DeliveryLimit, 1, "", [], 0, -1));
        Assert.Equal("010202" + "08D0BAD0BBD18ED187" + "04" + "01" + "00" + "00" + "00" + "00" + "0171" + "02" + "01" + "0178" + "02" + "016B" + "00" + "AC02" + "3D", Convert.ToHexString(Encode(history)));
    }

    [Fact]
    public void Encoding_and_decoding_keeps_everything()
    {
        DeathHistory history = DeathHistory.Empty
            .Add(new Death(new string('q', 300), DeathReason.Expired, 1, "x", [.. Enumerable.Range(0, 200).Select(i => $"k{i}")], long.MaxValue, long.MaxValue - 1))
            .Add(new Death("", DeathReason.MaxLength, long.MaxValue, "", [""], 1, 0));
        DeathHistory decoded = RoundTrip(history);
        Assert.Equal(history.Deaths.Count, decoded.Deaths.Count);
        for (int i = 0; i < decoded.Deaths.Count; i++)
        {
            Assert.Equal(history.Deaths[i].RoutingKeys, decoded.Deaths[i].RoutingKeys);
            Assert.Equal(history.Deaths[i] with { RoutingKeys = [] }, decoded.Deaths[i] with { RoutingKeys = [] });
        }

        Assert.Empty(Encode(DeathHistory.Empty));
        Assert.Same(DeathHistory.Empty, DeathHistory.Decode([]));
    }

    [Fact]
    public void Cut_short_overlong_or_newer_bytes_are_refused()
    {
        byte[] encoded = Encode(DeathHistory.Empty.Add(Event("queue", DeathReason.Expired)).Add(Event("other", DeathReason.Rejected)));
        for (int length = 1; length < encoded.Length; length++)
        {
            Assert.Throws<StorageFormatException>(() => DeathHistory.Decode(encoded.AsSpan(0, length)));
        }

        Assert.Throws<StorageFormatException>(() => DeathHistory.Decode([.. encoded, 0]));
        Assert.Contains("version 2", Assert.Throws<StorageFormatException>(() => DeathHistory.Decode([2, .. encoded[1..]])).Message, StringComparison.Ordinal);
    }

    private static Death Event(string queue, DeathReason reason, long timeMs = 5) => new(queue, reason, 1, "x", ["k"], timeMs, -1);

    private static byte[] Encode(DeathHistory history)
    {
        var output = new ArrayBufferWriter<byte>();
        history.Encode(output);
        return output.WrittenSpan.ToArray();
    }

    private static DeathHistory RoundTrip(DeathHistory history) => DeathHistory.Decode(Encode(history));
}
