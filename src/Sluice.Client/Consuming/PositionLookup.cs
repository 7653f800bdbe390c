using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Consuming;

/// <summary>Finds where to begin in partitions without a position: at the time wanted, or at what the group has committed, or where the options say. One look-up at a time, beside the caller.</summary>
internal sealed class PositionLookup(ConsumerOptions options, GroupOffsets? offsets, OffsetLookup lookup, AsyncSignal signal)
{
    private readonly Dictionary<PartitionState, int> _generations = [];
    private Task<Dictionary<PartitionState, long>>? _running;

    /// <summary>A look-up has ended: <see cref="Take"/> has something.</summary>
    public bool HasResult => _running is { IsCompleted: true };

    /// <summary>Begins a look-up if none runs.</summary>
    public void Begin(Assignment assignment, CancellationToken closing)
    {
        if (_running is not null || !assignment.LacksPositions)
        {
            return;
        }

        _generations.Clear();
        foreach (PartitionState state in assignment.States.Where(state => !state.HasPosition))
        {
            _generations.Add(state, state.Generation);
        }

        _running = FindAsync([.. _generations.Keys], closing);
        _ = TellAsync(_running);
    }

    /// <summary>Moves the partitions that are still assigned and were not sought meanwhile.</summary>
    /// <exception cref="KafkaClientException">The look-up failed.</exception>
    public async Task TakeAsync(Assignment assignment)
    {
        if (_running is not { IsCompleted: true } done)
        {
            return;
        }

        _running = null;
        foreach ((PartitionState state, long offset) in await done.ConfigureAwait(false))
        {
            if (assignment.Has(state) && state.Generation == _generations[state] && !state.HasPosition)
            {
                state.Seek(offset);
            }
        }
    }

    private async Task TellAsync(Task running)
    {
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        signal.Set();
    }

    private async Task<Dictionary<PartitionState, long>> FindAsync(PartitionState[] states, CancellationToken cancel)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var found = new Dictionary<PartitionState, long>();
        var times = new Dictionary<TopicPartition, long>();
        PartitionState[] plain = [.. states.Where(state => state.WantedTime is null)];
        Dictionary<TopicPartition, long> committed = offsets is not null && plain.Length > 0
            ? await offsets.FetchAsync([.. plain.Select(state => state.Partition)], cancel).ConfigureAwait(false)
            : [];
        foreach (PartitionState state in states)
        {
            if (state.WantedTime is null && committed.TryGetValue(state.Partition, out long offset))
            {
                found[state] = offset;
            }
            else
            {
                times[state.Partition] = state.WantedTime ?? ResetTime(state.Partition);
            }
        }

        if (times.Count == 0)
        {
            return found;
        }

        Dictionary<TopicPartition, long> offsetsFound = await lookup.FindAsync(times, cancel).ConfigureAwait(false);

        // Nothing is that late: go on with what comes.
        Dictionary<TopicPartition, long> late = offsetsFound.Where(entry => entry.Value < 0).ToDictionary(entry => entry.Key, _ => PartitionState.LatestTime);
        Dictionary<TopicPartition, long> ends = late.Count > 0 ? await lookup.FindAsync(late, cancel).ConfigureAwait(false) : [];
        foreach (PartitionState state in states.Where(state => times.ContainsKey(state.Partition)))
        {
            found[state] = ends.TryGetValue(state.Partition, out long end) ? Math.Max(0, end) : offsetsFound[state.Partition];
        }

        return found;
    }

    private long ResetTime(TopicPartition partition) => options.AutoOffsetReset switch
    {
        AutoOffsetReset.Earliest => PartitionState.EarliestTime,
        AutoOffsetReset.Latest => PartitionState.LatestTime,
        _ => throw new KafkaClientException(KafkaErrorCode.OffsetOutOfRange, $"There is no offset for {partition} to go on at, and {nameof(ConsumerOptions.AutoOffsetReset)} is None."),
    };
}
