namespace Sluice.Broker.Definitions;

/// <summary>
/// Checks policies as RabbitMQ 3.10 does, and takes besides consumer-timeout and the apply-to kinds of later versions. Keys for mirroring (ha-…) are
/// accepted without effect, as policies carried over from a cluster have them and one broker has nobody to mirror to.
/// </summary>
public static class Policies
{
    private static readonly string[] ApplyToChoices = ["queues", "exchanges", "all", "classic_queues", "quorum_queues", "streams"];
    private static readonly string[] MirroringKeys = ["ha-mode", "ha-params", "ha-sync-mode", "ha-sync-batch-size", "ha-promote-on-shutdown", "ha-promote-on-failure"];

    private static readonly Dictionary<string, QueueArgument> ByKey = QueueArgument.All.Values
        .Where(argument => argument.PolicyKey is not null)
        .ToDictionary(argument => argument.PolicyKey!);

    public static BrokerResult Check(PolicyDefinition policy)
    {
        if (policy.Name.Length == 0)
        {
            return Invalid("a policy needs a name");
        }

        if (!ApplyToChoices.Contains(policy.ApplyTo))
        {
            return Invalid($"apply-to '{policy.ApplyTo}' unrecognised; should be one of {string.Join(", ", ApplyToChoices)}");
        }

        if (policy.IsOperator && policy.ApplyTo == "exchanges")
        {
            return Invalid("an operator policy limits queues; apply-to 'exchanges' would have no effect");
        }

        try
        {
            PolicySet.Compile(policy.Pattern);
        }
        catch (ArgumentException e)
        {
            return Invalid($"pattern should be regular expression but is invalid: {e.Message}");
        }

        if (policy.Settings.Count == 0)
        {
            return Invalid("no policy provided");
        }

        foreach ((string key, object? value) in policy.Settings.Items)
        {
            if (ProblemOf(key, value, policy.IsOperator) is { } problem)
            {
                return Invalid(problem);
            }
        }

        return BrokerResult.Ok;
    }

    private static string? ProblemOf(string key, object? value, bool isOperator)
    {
        if (ByKey.TryGetValue(key, out QueueArgument? argument) && (!isOperator || argument.IsLimit))
        {
            return argument.Problem(value) is { } problem ? $"{ArgumentNames.Show(value)} is not a valid {key}: {problem}" : null;
        }

        if (!isOperator && key == "alternate-exchange")
        {
            return value is string ? null : $"{ArgumentNames.Show(value)} is not a valid alternate exchange name";
        }

        return !isOperator && MirroringKeys.Contains(key) ? null : $"{key} is not a recognised {(isOperator ? "operator " : "")}policy setting";
    }

    private static BrokerResult Invalid(string problem) => new(BrokerStatus.InvalidArgument, $"Validation failed: {problem}");
}
