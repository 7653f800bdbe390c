namespace Sluice.Base.Changes;

/// <summary>What setting something has come to.</summary>
public enum PutOutcome
{
    /// <summary>It was so already: nothing was written.</summary>
    Unchanged,

    /// <summary>It was not there before.</summary>
    Created,

    /// <summary>It was different.</summary>
    Changed,
}
