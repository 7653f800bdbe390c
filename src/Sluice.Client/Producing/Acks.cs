namespace Sluice.Client.Producing;

/// <summary>When the broker answers.</summary>
public enum Acks
{
    /// <summary>When it is kept as durably as the topic promises, by all replicas in sync.</summary>
    All = -1,

    /// <summary>Not at all: what is lost is lost silently.</summary>
    None = 0,

    /// <summary>When the leader has it.</summary>
    Leader = 1,
}
