namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>What a member of a consumer group must do in time.</summary>
internal enum ConsumerDeadline : byte
{
    /// <summary>Be heard of.</summary>
    Session,

    /// <summary>Give up the partitions that others are to get.</summary>
    Revocation,

    /// <summary>Join again, if it speaks the classic protocol.</summary>
    Join,

    /// <summary>Ask for its assignment, if it speaks the classic protocol.</summary>
    Sync,
}

/// <summary>The timers of a consumer group's members: at most one for each and each deadline. Guarded by the shard's lock.</summary>
internal sealed class ConsumerTimers
{
    private readonly Dictionary<(string Member, ConsumerDeadline Deadline), GroupTimer> _timers = [];

    /// <summary>The timer, which may be set already.</summary>
    public GroupTimer Of(string memberId, ConsumerDeadline deadline, Action<GroupTurn> action)
    {
        if (!_timers.TryGetValue((memberId, deadline), out GroupTimer? timer))
        {
            timer = new GroupTimer(action);
            _timers.Add((memberId, deadline), timer);
        }

        return timer;
    }

    public void Cancel(string memberId, ConsumerDeadline deadline)
    {
        if (_timers.Remove((memberId, deadline), out GroupTimer? timer))
        {
            GroupTimers.Cancel(timer);
        }
    }

    /// <summary>The member is gone.</summary>
    public void CancelAll(string memberId)
    {
        foreach (ConsumerDeadline deadline in Enum.GetValues<ConsumerDeadline>())
        {
            Cancel(memberId, deadline);
        }
    }

    /// <summary>The group is no more.</summary>
    public void CancelAll()
    {
        foreach (GroupTimer timer in _timers.Values)
        {
            GroupTimers.Cancel(timer);
        }

        _timers.Clear();
    }
}
