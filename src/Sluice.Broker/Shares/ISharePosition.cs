namespace Sluice.Broker.Shares;

/// <summary>
/// Where a share group is in a partition, for members that are given single records and keep each until they settle it. What they settle is kept; what they were given is not,
/// so it is delivered again after a crash. Thread-safe.
/// </summary>
public interface ISharePosition
{
    /// <summary>Records of transactions are delivered once they are committed, and not at all if they are rolled back. Groups may be configured anew at any time.</summary>
    bool ReadsCommitted { get; }

    /// <summary>Where the group reads next. False: the position is no more, or cannot be kept any more.</summary>
    /// <param name="member">Who asks.</param>
    /// <param name="logStartOffset">What lies before is no more.</param>
    /// <param name="offset">Where to read; null: nothing can be had until the position changes.</param>
    bool TryPlan(object member, long logStartOffset, out long? offset);

    /// <summary>A member gets a record; false if somebody else has it, or it must wait.</summary>
    /// <param name="member">Who asks.</param>
    /// <param name="fetchOffset">Where it was to read.</param>
    /// <param name="offset">The first record that it found there.</param>
    /// <param name="deliveryCount">How often the record is delivered with this time.</param>
    bool TryTake(object member, long fetchOffset, long offset, out int deliveryCount);

    /// <summary>A member says what becomes of records that it has; of others nothing does.</summary>
    void Settle(object member, ReadOnlySpan<long> offsets, AcknowledgeType type);

    /// <summary>Tells the listener of every change that may make records available, and of the position's end, until it is removed.</summary>
    void AddListener(IShareListener listener);

    void RemoveListener(IShareListener listener);
}

/// <summary>Told when records of a partition may have become available for its group.</summary>
public interface IShareListener
{
    /// <summary>Called under locks: must be short and must not call the position.</summary>
    void OnChanged();
}
