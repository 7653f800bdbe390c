using System.Numerics;
using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator.Workers;

/// <summary>Which published messages are not confirmed yet, and since when. Delivery tags count from 1. One thread.</summary>
internal sealed class ConfirmWindow(int size)
{
    /// <summary>Send time by tag; 0 once settled. Twice the window, so that one late confirm does not stop the producer at once.</summary>
    private readonly long[] _sent = new long[BitOperations.RoundUpToPowerOf2((uint)size * 2)];

    private long _lowest = 1;
    private long _next = 1;
    private int _outstanding;

    public LatencyHistogram Latency { get; } = new();

    public int Outstanding => _outstanding;

    public long Confirmed { get; private set; }

    public long Nacked { get; private set; }

    /// <summary>How many more may be published now.</summary>
    public int Room => (int)Math.Min(size - _outstanding, _sent.Length - (_next - _lowest));

    public void Published(int count, long at)
    {
        for (int i = 0; i < count; i++)
        {
            _sent[(_next + i) & (_sent.Length - 1)] = at;
        }

        _next += count;
        _outstanding += count;
    }

    /// <summary>The server settled one message, or with <paramref name="multiple"/> all up to it.</summary>
    /// <param name="tag">Delivery tag.</param>
    /// <param name="multiple">All up to the tag; tag 0 means all there are.</param>
    /// <param name="accepted">Ack rather than nack.</param>
    /// <param name="now">Time of receipt.</param>
    /// <param name="measureSince">Only messages sent at or after this are recorded.</param>
    public void Settle(long tag, bool multiple, bool accepted, long now, long measureSince)
    {
        if (multiple && tag == 0)
        {
            tag = _next - 1;
        }

        if (tag < 1 || tag >= _next)
        {
            throw new AmqpProtocolException($"The server confirmed message {tag}, but only {_next - 1} were published.");
        }

        if (multiple)
        {
            for (; _lowest <= tag; _lowest++)
            {
                SettleOne(_lowest, accepted, now, measureSince);
            }
        }
        else if (tag >= _lowest)
        {
            SettleOne(tag, accepted, now, measureSince);
        }

        while (_lowest < _next && _sent[_lowest & (_sent.Length - 1)] == 0)
        {
            _lowest++;
        }
    }

    private void SettleOne(long tag, bool accepted, long now, long measureSince)
    {
        ref long sent = ref _sent[tag & (_sent.Length - 1)];
        if (sent == 0)
        {
            return;
        }

        if (sent >= measureSince)
        {
            Latency.Record(now - sent);
        }

        sent = 0;
        _outstanding--;
        if (accepted)
        {
            Confirmed++;
        }
        else
        {
            Nacked++;
        }
    }
}
