using System.Text.RegularExpressions;

namespace Sluice.Broker.Definitions;

/// <summary>
/// The policies of a virtual host: an immutable set that each change replaces. For a name, the matching policy of the highest priority
/// applies, of equals the one whose name comes first; the same separately for operator policies.
/// </summary>
public sealed class PolicySet
{
    private readonly Entry[] _policies;
    private readonly Entry[] _operatorPolicies;

    private PolicySet(Entry[] policies, Entry[] operatorPolicies)
    {
        _policies = policies;
        _operatorPolicies = operatorPolicies;
    }

    public static PolicySet Empty { get; } = new([], []);

    /// <summary>All policies, operator policies last.</summary>
    public IReadOnlyList<PolicyDefinition> Policies => [.. _policies.Concat(_operatorPolicies).Select(entry => entry.Policy)];

    /// <summary>This set with a checked policy added, or put in place of the one of the same name and class.</summary>
    public PolicySet With(PolicyDefinition policy) => Change(policy.Name, policy.IsOperator, new Entry(policy, Compile(policy.Pattern)));

    /// <summary>This set without a policy; the same set if there is no such policy.</summary>
    public PolicySet Without(string name, bool isOperator) =>
        (isOperator ? _operatorPolicies : _policies).Any(entry => entry.Policy.Name == name) ? Change(name, isOperator, null) : this;

    public PolicyDefinition? ForQueue(string name, QueueKind kind) => Find(_policies, name, kind);

    public PolicyDefinition? OperatorPolicyForQueue(string name, QueueKind kind) => Find(_operatorPolicies, name, kind);

    public PolicyDefinition? ForExchange(string name) => Find(_policies, name, null);

    private static PolicyDefinition? Find(Entry[] entries, string name, QueueKind? kind)
    {
        foreach (Entry entry in entries)
        {
            if (AppliesTo(entry.Policy.ApplyTo, kind) && Matches(entry.Pattern, name))
            {
                return entry.Policy;
            }
        }

        return null;
    }

    private static bool AppliesTo(string applyTo, QueueKind? kind) => applyTo switch
    {
        "all" => true,
        "exchanges" => kind is null,
        "queues" => kind is not null,
        "classic_queues" => kind == QueueKind.Classic,
        "quorum_queues" => kind == QueueKind.Quorum,
        "streams" => kind == QueueKind.Stream,
        _ => false,
    };

    /// <summary>A pattern that has not decided on a name after its time-out does not match it.</summary>
    private static bool Matches(Regex pattern, string name)
    {
        try
        {
            return pattern.IsMatch(name);
        }
        catch (RegexMatchTimeoutException)
        {
            return false;
        }
    }

    /// <exception cref="ArgumentException">Not a regular expression.</exception>
    internal static Regex Compile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (NotSupportedException)
        {
            // Look-around and back references, usual in policies for "all but amq.*", need the other engine.
            return new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(250));
        }
    }

    private PolicySet Change(string name, bool isOperator, Entry? added)
    {
        Entry[] old = isOperator ? _operatorPolicies : _policies;
        IEnumerable<Entry> changed = old.Where(entry => entry.Policy.Name != name);
        if (added is not null)
        {
            changed = changed.Append(added);
        }

        Entry[] sorted = [.. changed.OrderByDescending(entry => entry.Policy.Priority).ThenBy(entry => entry.Policy.Name, StringComparer.Ordinal)];
        return isOperator ? new PolicySet(_policies, sorted) : new PolicySet(sorted, _operatorPolicies);
    }

    private sealed record Entry(PolicyDefinition Policy, Regex Pattern);
}
