using Sluice.Base.Changes;

namespace Sluice.Broker.Definitions;

/// <summary>What setting a policy has come to.</summary>
/// <param name="Before">The one of its name that was there; null: there was none.</param>
/// <param name="After">As it is now.</param>
public sealed record PolicyChange(PolicyDefinition? Before, PolicyDefinition After)
{
    public PutOutcome Outcome => Before is null ? PutOutcome.Created : After.Equals(Before) ? PutOutcome.Unchanged : PutOutcome.Changed;

    /// <summary>For the log: of one that is new what it is, of one that has changed what is different.</summary>
    public string Words => Before is null
        ? $"{Pattern(After)}, {ApplyTo(After)}, {Priority(After)}, {Settings(After)}"
        : string.Join("; ", new[] { Different(Pattern), Different(ApplyTo), Different(Priority), Different(Settings) }.Where(static text => text.Length > 0)) is { Length: > 0 } different ? different
        : "what its settings hold";

    private static string Pattern(PolicyDefinition policy) => $"pattern '{policy.Pattern}'";

    private static string ApplyTo(PolicyDefinition policy) => $"for {policy.ApplyTo}";

    private static string Priority(PolicyDefinition policy) => $"priority {policy.Priority}";

    private static string Settings(PolicyDefinition policy) =>
        ChangeWords.Settings([.. policy.Settings.Items.Select(static setting => KeyValuePair.Create(setting.Key, ArgumentNames.Show(setting.Value)))], none: "nothing");

    private string Different(Func<PolicyDefinition, string> words) => words(After) == words(Before!) ? "" : $"{words(After)} instead of {words(Before!)}";
}
