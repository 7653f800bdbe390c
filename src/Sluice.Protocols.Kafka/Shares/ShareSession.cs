namespace Sluice.Protocols.Kafka.Shares;

/// <summary>A partition that a member of a share group fetches.</summary>
internal sealed class SharedPartition(Guid topicId, int index)
{
    public Guid TopicId => topicId;

    public int Index => index;

    /// <summary>Once it was found.</summary>
    public SharePartition? Position { get; set; }

    /// <summary>The last answer named an error, so that the next must tell how it stands.</summary>
    public bool HadError { get; set; }
}

/// <summary>What a member of a share group fetches, kept between its requests (KIP-932). Guarded by itself.</summary>
internal sealed class ShareSession(string groupId, string memberId)
{
    /// <summary>What a member fetches at most.</summary>
    public const int PartitionsMax = 10_000;

    private readonly LinkedList<SharedPartition> _partitions = new();
    private readonly Dictionary<(Guid TopicId, int Index), LinkedListNode<SharedPartition>> _byName = [];

    public string GroupId => groupId;

    public string MemberId => memberId;

    /// <summary>What the next request must carry.</summary>
    public int NextEpoch { get; private set; } = 1;

    /// <summary>Ends with the member's connection; disposed when the session ends otherwise.</summary>
    public CancellationTokenRegistration Ending { get; set; }

    /// <summary>In the order in which they are to be served.</summary>
    public IReadOnlyCollection<SharedPartition> Partitions => _partitions;

    /// <summary>False if there are too many.</summary>
    public bool TryAdd(Guid topicId, int index)
    {
        if (_byName.ContainsKey((topicId, index)))
        {
            return true;
        }

        if (_byName.Count >= PartitionsMax)
        {
            return false;
        }

        _byName.Add((topicId, index), _partitions.AddLast(new SharedPartition(topicId, index)));
        return true;
    }

    public void Remove(Guid topicId, int index)
    {
        if (_byName.Remove((topicId, index), out LinkedListNode<SharedPartition>? forgotten))
        {
            _partitions.Remove(forgotten);
        }
    }

    /// <summary>The next request has another epoch, and another partition comes first, so that all have their turn although an answer is full.</summary>
    public void Advance()
    {
        NextEpoch = NextEpoch == int.MaxValue ? 1 : NextEpoch + 1;
        if (_partitions.First is { } first)
        {
            _partitions.RemoveFirst();
            _partitions.AddLast(first);
        }
    }
}
