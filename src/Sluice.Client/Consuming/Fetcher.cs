using System.Collections.Concurrent;
using Sluice.Base.Buffers;
using Sluice.Client.Connections;
using Sluice.Client.Metadata;
using Sluice.Client.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>
/// Asks the leaders for records, one request at a time to each, and gives what came record by record. While a part is given the next one of the same partition
/// is read ahead, and no more. All but the arrival of answers belongs to whoever calls the consumer.
/// </summary>
internal sealed class Fetcher(ConsumerOptions options, NodePool nodes, ClusterMetadata metadata, BufferPool pool, AsyncSignal signal) : IDisposable
{
    private readonly ConcurrentQueue<FetchOutcome> _outcomes = new();
    private readonly Queue<FetchedChunk> _chunks = new();
    private readonly HashSet<int> _busyNodes = [];
    private FetchedChunk? _current;
    private int _failures;

    /// <summary>The partition has no such offset: whoever owns the states decides where to go on.</summary>
    public Action<PartitionState>? OutOfRange { get; set; }

    /// <summary>Whether <see cref="TryRead"/> can only find something new in answers that have not been looked at.</summary>
    public bool HasAnswers => !_outcomes.IsEmpty;

    /// <summary>The next record of any partition, and its partition. The record is borrowed until the next call.</summary>
    /// <exception cref="KafkaClientException">The broker refuses, or what came is damaged.</exception>
    public bool TryRead(out FetchedRecord record, out PartitionState state, Action beganChunk)
    {
        while (true)
        {
            if (_current is { } current)
            {
                state = current.State;
                if (current.IsCurrent && !state.IsPaused)
                {
                    if (current.TryRead(out record))
                    {
                        state.Advance(record.Offset + 1);
                        return true;
                    }

                    state.Advance(Math.Max(state.Position, current.EndOffset));
                }
                else if (current.IsCurrent)
                {
                    state.Rewind();
                }

                current.Dispose();
                _current = null;
                continue;
            }

            if (_chunks.TryDequeue(out FetchedChunk? next))
            {
                next.State.BufferedChunks--;
                _current = next;
                beganChunk();
                continue;
            }

            if (_outcomes.TryDequeue(out FetchOutcome? outcome))
            {
                Take(outcome);
                continue;
            }

            record = default;
            state = null!;
            return false;
        }
    }

    /// <summary>Asks for what may be asked for. Returns how long until there is more to ask for, if that is known.</summary>
    /// <exception cref="KafkaClientException">A leader does not let the client in, or is not the broker that it should be.</exception>
    public TimeSpan? Send(IEnumerable<PartitionState> states)
    {
        long now = options.Time.GetTimestamp();
        long next = long.MaxValue;
        Dictionary<int, FetchOutcome>? fetches = null;
        foreach (PartitionState state in states)
        {
            if (!state.HasPosition || state.IsPaused || state.IsFetching || state.BufferedChunks > 0)
            {
                continue;
            }

            if (state.NotBefore > now)
            {
                next = Math.Min(next, state.NotBefore);
                continue;
            }

            if (metadata.View.Find(state.Partition) is not { Leader: >= 0 } partition)
            {
                metadata.Track(state.Partition.Topic);
                metadata.Invalidate();
                continue;
            }

            if (_busyNodes.Contains(partition.Leader))
            {
                continue;
            }

            fetches ??= [];
            if (!fetches.TryGetValue(partition.Leader, out FetchOutcome? fetch))
            {
                fetches.Add(partition.Leader, fetch = new FetchOutcome(partition.Leader));
            }

            fetch.Asked.Add(state.Partition, (state, state.Generation, state.FetchOffset));
        }

        foreach (FetchOutcome fetch in fetches?.Values ?? Enumerable.Empty<FetchOutcome>())
        {
            Send(fetch);
        }

        return next == long.MaxValue ? null : options.Time.GetElapsedTime(now, next);
    }

    public void Dispose()
    {
        _current?.Dispose();
        _current = null;
        while (_chunks.TryDequeue(out FetchedChunk? chunk))
        {
            chunk.Dispose();
        }

        while (_outcomes.TryDequeue(out FetchOutcome? outcome))
        {
            outcome.Answer?.Dispose();
        }
    }

    private void Send(FetchOutcome fetch)
    {
        KafkaClientException? failure = null;
        if (nodes.Find(fetch.NodeId)?.TryGet(out failure) is not { } connection)
        {
            // Woken when the connection is made; if it can't be made, somebody else may lead by then.
            metadata.Invalidate();
            if (failure is { IsRetriable: true })
            {
                options.OnBackgroundError?.Invoke(failure);
            }
            else if (failure is not null)
            {
                throw new KafkaClientException(failure.ErrorCode, failure.Message, failure);
            }

            return;
        }

        _busyNodes.Add(fetch.NodeId);
        foreach ((PartitionState state, _, _) in fetch.Asked.Values)
        {
            state.IsFetching = true;
        }

        _ = SendAsync(connection, fetch);
    }

    private async Task SendAsync(KafkaConnection connection, FetchOutcome fetch)
    {
        try
        {
            var request = new FetchRequest
            {
                MaxWaitMs = (int)options.FetchMaxWait.TotalMilliseconds,
                MinBytes = options.FetchMinBytes,
                MaxBytes = options.FetchMaxBytes,
                IsolationLevel = (sbyte)options.IsolationLevel,
                Topics =
                [
                    .. fetch.Asked.GroupBy(asked => asked.Key.Topic).Select(topic => new FetchRequest.FetchTopic
                    {
                        Topic = topic.Key,
                        Partitions = [.. topic.Select(asked => new FetchRequest.FetchPartition { Partition = asked.Key.Partition, FetchOffset = asked.Value.Offset, PartitionMaxBytes = options.PartitionFetchMaxBytes })],
                    }),
                ],
            };
            fetch.Answer = await connection.SendAsync<FetchResponse>(ApiUse.Fetch, connection.VersionOf(ApiUse.Fetch), request, isPooled: true, options.FetchMaxWait).ConfigureAwait(false);
        }
        catch (KafkaClientException error)
        {
            fetch.Error = error;
        }

        _outcomes.Enqueue(fetch);
        signal.Set();
    }

    private void Take(FetchOutcome fetch)
    {
        _busyNodes.Remove(fetch.NodeId);
        foreach ((PartitionState state, _, _) in fetch.Asked.Values)
        {
            state.IsFetching = false;
        }

        KafkaErrorCode whole = fetch.Answer?.Message.ErrorCode ?? fetch.Error!.ErrorCode;
        if (whole != KafkaErrorCode.None)
        {
            fetch.Answer?.Dispose();
            Pause(fetch.Asked.Values.Select(asked => asked.State));
            metadata.Invalidate();
            if (!whole.IsRetriable())
            {
                throw fetch.Error is { } error ? new KafkaClientException(whole, error.Message, error) : KafkaClientException.Of(whole, "Fetching");
            }

            return;
        }

        var share = new AnswerShare(fetch.Answer!);
        KafkaClientException? failure = null;
        bool isSound = true;
        foreach (FetchResponse.FetchableTopicResponse topic in fetch.Answer!.Message.Responses)
        {
            foreach (FetchResponse.PartitionData answer in topic.Partitions)
            {
                if (!fetch.Asked.TryGetValue(new TopicPartition(topic.Topic, answer.PartitionIndex), out (PartitionState State, int Generation, long Offset) asked) || asked.State.Generation != asked.Generation)
                {
                    continue;
                }

                if (answer.ErrorCode == KafkaErrorCode.None)
                {
                    Take(asked.State, asked.Offset, answer, share);
                }
                else
                {
                    isSound = false;
                    failure = Refused(asked.State, answer.ErrorCode) ?? failure;
                }
            }
        }

        share.Release();
        if (isSound)
        {
            _failures = 0;
        }

        if (failure is not null)
        {
            throw failure;
        }
    }

    private void Take(PartitionState state, long offset, FetchResponse.PartitionData answer, AnswerShare share)
    {
        state.EndOffset = options.IsolationLevel == IsolationLevel.ReadCommitted ? answer.LastStableOffset : answer.HighWatermark;
        if (answer.Records.Length == 0)
        {
            return;
        }

        share.Add();
        FetchedChunk chunk;
        try
        {
            chunk = new FetchedChunk(state, offset, answer, share, options, pool);
        }
        catch
        {
            share.Release();
            throw;
        }

        if (chunk.EndOffset == offset)
        {
            chunk.Dispose();
            return;
        }

        state.AdvanceFetch(chunk.EndOffset);
        state.BufferedChunks++;
        _chunks.Enqueue(chunk);
    }

    /// <summary>Null: it is tried again.</summary>
    private KafkaClientException? Refused(PartitionState state, KafkaErrorCode code)
    {
        if (code == KafkaErrorCode.OffsetOutOfRange)
        {
            // What is still being given comes first.
            if (state.Position == state.FetchOffset)
            {
                OutOfRange?.Invoke(state);
            }

            return null;
        }

        Pause([state]);
        if (code.IsStaleMetadata())
        {
            metadata.Invalidate();
        }

        return code.IsRetriable() || code == KafkaErrorCode.UnknownServerError ? null : KafkaClientException.Of(code, $"Fetching {state.Partition}");
    }

    private void Pause(IEnumerable<PartitionState> states)
    {
        _failures++;
        long until = options.Time.GetTimestamp() + (long)(options.Backoff(_failures).TotalSeconds * options.Time.TimestampFrequency);
        foreach (PartitionState state in states)
        {
            state.NotBefore = until;
        }
    }
}
