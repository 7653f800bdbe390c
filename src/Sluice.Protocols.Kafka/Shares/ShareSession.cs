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
    private readonly List<SharedPartition> _partitions = [];

    public string GroupId => groupId;

    public string MemberId => memberId;

    /// <summary>What the next request must carry.</summary>
    public int NextEpoch { get; private set; } = 1;

    /// <summary>Ends with the member's connection; disposed when the session ends otherwise.</summary>
    public CancellationTokenRegistration Ending { get; set; }

    /// <summary>In the order in which they are to be served.</summary>
    public IReadOnlyList<SharedPartition> Partitions => _partitions;

    public void Add(Guid topicId, int index)
    {
        if (!_partitions.Exists(known => known.TopicId == topicId && known.Index == index))
        {
            _partitions.Add(new SharedPartition(topicId, index));
        }
    }

    public void Remove(Guid topicId, int index) => _partitions.RemoveAll(known => known.TopicId == topicId && known.Index == index);

    /// <summary>The next request has another epoch, and another partition comes first, so that all have their turn although an answer is full.</summary>
    public void Advance()
    {
        NextEpoch = NextEpoch == int.MaxValue ? 1 : NextEpoch + 1;
        if (_partitions.Count > 1)
        {
            SharedPartition first = _partitions[0];
            _partitions.RemoveAt(0);
            _partitions.Add(first);
        }
    }
}
