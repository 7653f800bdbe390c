using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>The sessions of all members of share groups, limited in number: one for each member. Thread-safe.</summary>
internal sealed class ShareSessions(int max)
{
    /// <summary>Epochs of requests that begin and end a session.</summary>
    public const int InitialEpoch = 0, FinalEpoch = -1;

    private readonly Lock _sync = new();
    private readonly Dictionary<(string Group, string Member), ShareSession> _sessions = [];

    /// <summary>Begins a session, in the place of one of before. What the member had in that one stays acquired.</summary>
    public KafkaErrorCode Begin(string groupId, string memberId, out ShareSession? session)
    {
        session = null;
        ShareSession? before;
        lock (_sync)
        {
            _sessions.Remove((groupId, memberId), out before);
            if (_sessions.Count < max)
            {
                session = new ShareSession(groupId, memberId);
                _sessions.Add((groupId, memberId), session);
            }
        }

        before?.Ending.Unregister();
        return session is null ? KafkaErrorCode.ShareSessionLimitReached : KafkaErrorCode.None;
    }

    /// <summary>Goes on with a session, or ends it as soon as the request is answered.</summary>
    public KafkaErrorCode Continue(string groupId, string memberId, int epoch, out ShareSession? session)
    {
        lock (_sync)
        {
            if (!_sessions.TryGetValue((groupId, memberId), out session))
            {
                return KafkaErrorCode.ShareSessionNotFound;
            }
        }

        lock (session)
        {
            if (epoch == FinalEpoch)
            {
                return KafkaErrorCode.None;
            }

            if (epoch != session.NextEpoch)
            {
                return KafkaErrorCode.InvalidShareSessionEpoch;
            }

            session.Advance();
            return KafkaErrorCode.None;
        }
    }

    /// <summary>False if it has ended already.</summary>
    public bool End(ShareSession session)
    {
        lock (_sync)
        {
            if (_sessions.GetValueOrDefault((session.GroupId, session.MemberId)) != session)
            {
                return false;
            }

            _sessions.Remove((session.GroupId, session.MemberId));
        }

        session.Ending.Unregister();
        return true;
    }
}
