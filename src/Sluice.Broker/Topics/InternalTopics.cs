namespace Sluice.Broker.Topics;

/// <summary>Names that only the broker's own topics have: in no virtual host can a client's topic, stream or queue be called so.</summary>
public static class InternalTopics
{
    /// <summary>Keeps consumer groups and their offsets.</summary>
    public const string Offsets = "__consumer_offsets";

    /// <summary>Keeps transactional ids.</summary>
    public const string Transactions = "__transaction_state";

    /// <summary>Keeps where share groups are.</summary>
    public const string Shares = "__share_group_state";

    /// <summary>Whether it is the name of such a topic, or what one of its partitions is called as a stream.</summary>
    public static bool IsReserved(ReadOnlySpan<char> name) => (name.IndexOf(':') is >= 0 and var colon ? name[..colon] : name) is Offsets or Transactions or Shares;
}
