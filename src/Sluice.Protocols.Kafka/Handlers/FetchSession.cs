using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>A partition that a client fetches, and what it was told of it last.</summary>
internal sealed class FetchedPartition
{
    /// <summary>Empty when the client names topics by id only.</summary>
    public string Topic { get; init; } = "";

    public Guid TopicId { get; init; }

    public int Index { get; init; }

    public long Offset { get; set; }

    public int BytesMax { get; set; }

    public int CurrentLeaderEpoch { get; set; }

    /// <summary>Of the last record that the client has; -1: it does not say.</summary>
    public int LastFetchedEpoch { get; set; }

    /// <summary>As last told; -1: never.</summary>
    public long HighWatermark { get; set; } = -1;

    public long LastStableOffset { get; set; } = -1;

    public long StartOffset { get; set; } = -1;

    /// <summary>The last answer named an error, so that the next must tell how it stands.</summary>
    public bool HadError { get; set; }
}

/// <summary>
/// The partitions that a client fetches, kept between its requests so that it only sends and gets what changes (KIP-227). One that is not kept has id 0. Guarded by itself.
/// </summary>
internal sealed class FetchSession(int id, bool usesTopicIds, long nowMs)
{
    /// <summary>A client that fetches more partitions gets no session.</summary>
    public const int PartitionsMax = 10_000;

    private readonly LinkedList<FetchedPartition> _partitions = new();
    private readonly Dictionary<(string Topic, Guid Id, int Index), LinkedListNode<FetchedPartition>> _byName = [];

    /// <summary>0 for one that ends with its request.</summary>
    public int Id => id;

    public bool UsesTopicIds => usesTopicIds;

    /// <summary>What the next request must carry.</summary>
    public int NextEpoch { get; set; } = 1;

    /// <summary>This answer need only name partitions about which there is something new.</summary>
    public bool IsIncremental { get; set; }

    public long LastUsedMs { get; set; } = nowMs;

    /// <summary>In the order in which they are to be served.</summary>
    public IReadOnlyCollection<FetchedPartition> Partitions => _partitions;

    /// <summary>Whether what a request names may be kept: neither too many partitions nor names that no topic can have.</summary>
    public static bool IsKeepable(FetchRequest body) =>
        body.Topics.Sum(static topic => (long)topic.Partitions.Length) <= PartitionsMax && body.Topics.All(static topic => topic.Topic.Length <= TopicDefinition.NameLengthMax);

    public void Update(FetchRequest body)
    {
        foreach (FetchRequest.FetchTopic topic in body.Topics)
        {
            foreach (FetchRequest.FetchPartition wanted in topic.Partitions)
            {
                (string, Guid, int) name = (topic.Topic, topic.TopicId, wanted.Partition);
                if (!_byName.TryGetValue(name, out LinkedListNode<FetchedPartition>? known))
                {
                    known = _partitions.AddLast(new FetchedPartition { Topic = topic.Topic, TopicId = topic.TopicId, Index = wanted.Partition });
                    _byName.Add(name, known);
                }

                FetchedPartition partition = known.Value;
                partition.Offset = wanted.FetchOffset;
                partition.BytesMax = wanted.PartitionMaxBytes;
                partition.CurrentLeaderEpoch = wanted.CurrentLeaderEpoch;
                partition.LastFetchedEpoch = wanted.LastFetchedEpoch;
            }
        }

        foreach (FetchRequest.ForgottenTopic topic in body.ForgottenTopicsData)
        {
            foreach (int index in topic.Partitions)
            {
                if (_byName.Remove((topic.Topic, topic.TopicId, index), out LinkedListNode<FetchedPartition>? forgotten))
                {
                    _partitions.Remove(forgotten);
                }
            }
        }
    }

    /// <summary>What got records goes to the end of the line, so that all partitions have their turn although an answer is full. Does nothing if it was forgotten since.</summary>
    public void MoveToEnd(FetchedPartition partition)
    {
        if (_byName.TryGetValue((partition.Topic, partition.TopicId, partition.Index), out LinkedListNode<FetchedPartition>? known) && known.Value == partition)
        {
            _partitions.Remove(known);
            _partitions.AddLast(known);
        }
    }
}

/// <summary>The sessions of all clients, limited in number. Thread-safe.</summary>
internal sealed class FetchSessions(int max, TimeProvider clock, Random random)
{
    private const int InitialEpoch = 0, FinalEpoch = -1;

    // A session that is used may only be driven out after this time without use.
    private static readonly TimeSpan EvictionTime = TimeSpan.FromMinutes(2);

    private readonly Lock _sync = new();
    private readonly Dictionary<int, FetchSession> _sessions = [];

    public int Count
    {
        get
        {
            lock (_sync)
            {
                return _sessions.Count;
            }
        }
    }

    /// <summary>The session that a request opens or goes on with, brought up to date with it.</summary>
    public KafkaErrorCode TryOpen(KafkaRequest request, FetchRequest body, out FetchSession? session)
    {
        long now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        bool usesTopicIds = request.Version >= 13;
        session = null;
        if (request.Version < 7 || body.SessionEpoch is InitialEpoch or FinalEpoch)
        {
            lock (_sync)
            {
                if (body.SessionId != 0)
                {
                    _sessions.Remove(body.SessionId);
                }

                int id = request.Version >= 7 && body.SessionEpoch == InitialEpoch && body.Topics.Length > 0 && FetchSession.IsKeepable(body) ? NewId(now) : 0;
                session = new FetchSession(id, usesTopicIds, now);
                if (id != 0)
                {
                    _sessions.Add(id, session);
                }
            }

            session.Update(body);
            return KafkaErrorCode.None;
        }

        lock (_sync)
        {
            if (!_sessions.TryGetValue(body.SessionId, out session))
            {
                return KafkaErrorCode.FetchSessionIdNotFound;
            }
        }

        lock (session)
        {
            if (session.UsesTopicIds != usesTopicIds)
            {
                return KafkaErrorCode.FetchSessionTopicIdError;
            }

            if (body.SessionEpoch != session.NextEpoch)
            {
                return KafkaErrorCode.InvalidFetchSessionEpoch;
            }

            session.NextEpoch = session.NextEpoch == int.MaxValue ? 1 : session.NextEpoch + 1;
            session.LastUsedMs = now;
            session.IsIncremental = true;
            if (FetchSession.IsKeepable(body))
            {
                session.Update(body);
                if (session.Partitions.Count <= FetchSession.PartitionsMax)
                {
                    return KafkaErrorCode.None;
                }
            }
        }

        // It has become too large to be kept: the client names all partitions again, and goes on without.
        Remove(session);
        session = null;
        return KafkaErrorCode.FetchSessionIdNotFound;
    }

    private void Remove(FetchSession session)
    {
        lock (_sync)
        {
            _sessions.Remove(session.Id);
        }
    }

    /// <summary>0 when there is no room.</summary>
    private int NewId(long nowMs)
    {
        if (_sessions.Count >= max)
        {
            FetchSession oldest = _sessions.Values.MinBy(static session => session.LastUsedMs)!;
            if (nowMs - oldest.LastUsedMs < EvictionTime.TotalMilliseconds)
            {
                return 0;
            }

            _sessions.Remove(oldest.Id);
        }

        int id;
        do
        {
            lock (random)
            {
                id = random.Next(1, int.MaxValue);
            }
        }
        while (_sessions.ContainsKey(id));
        return id;
    }
}
