using System.Collections.Concurrent;
using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;

namespace Sluice.Broker.Exchanges;

/// <summary>
/// Headers: a binding's arguments are matched with the message's headers. x-match says how: all (default) or any pair, both
/// leaving out names that begin with x-, or all-with-x and any-with-x, which leave out x-match only. An argument without
/// value (void) asks for presence. Kinds must be equal (RabbitMQ, rabbit_exchange_type_headers); integers of all widths are one kind.
/// A binding that asks for all of nothing matches every message; one that asks for any of nothing matches none.
/// </summary>
/// <remarks>
/// Bindings are indexed by header name and value: an "all" binding under one of its pairs (the rest is checked), an "any"
/// binding under each. So a message costs one look-up per distinct name in the index and the bindings that are close.
/// </remarks>
public sealed class HeadersRouter : ExchangeRouter
{
    private readonly SharedList<IDestination> _unconditional = new();
    private readonly SharedList<NameIndex> _names = new();
    private readonly Dictionary<string, NameIndex> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<Binding, Pattern> _patterns = new(ReferenceEqualityComparer.Instance);

    public override bool RoutesByKey => false;

    public override void Route(in RoutingInput input, DestinationSet result)
    {
        AddAll(_unconditional, result);
        IMessageHeaders? headers = input.Headers;
        if (headers is null)
        {
            return;
        }

        foreach (NameIndex? index in _names.Slots)
        {
            if (index is not null && headers.TryGet(index.NameBytes, out HeaderValue value))
            {
                AddMatching(index.Present, headers, result);
                if (index.Values.TryGetValue(value, out SharedList<Pattern>? patterns))
                {
                    AddMatching(patterns, headers, result);
                }
            }
        }
    }

    protected override void Attach(Binding binding)
    {
        var pattern = new Pattern(binding);
        _patterns.Add(binding, pattern);
        if (pattern.Conditions.Length == 0)
        {
            if (!pattern.IsAny)
            {
                _unconditional.Add(binding.Destination);
            }

            return;
        }

        foreach (Condition condition in pattern.Indexed)
        {
            if (!_byName.TryGetValue(condition.Name, out NameIndex? index))
            {
                index = new NameIndex(condition.Name);
                _byName.Add(condition.Name, index);
                index.Add(condition, pattern);
                _names.Add(index);
            }
            else
            {
                index.Add(condition, pattern);
            }
        }
    }

    protected override void Detach(Binding binding)
    {
        _patterns.Remove(binding, out Pattern? pattern);
        if (pattern!.Conditions.Length == 0)
        {
            _unconditional.Remove(binding.Destination);
            return;
        }

        foreach (Condition condition in pattern.Indexed)
        {
            NameIndex index = _byName[condition.Name];
            index.Remove(condition, pattern);
            if (index.Count == 0)
            {
                _byName.Remove(condition.Name);
                _names.Remove(index);
            }
        }
    }

    private static void AddMatching(SharedList<Pattern> patterns, IMessageHeaders headers, DestinationSet result)
    {
        foreach (Pattern? pattern in patterns.Slots)
        {
            if (pattern is not null && (pattern.IsAny || pattern.AllMatch(headers)))
            {
                result.Add(pattern.Destination);
            }
        }
    }

    /// <param name="Name">Header asked for.</param>
    /// <param name="NameBytes">The same in UTF-8.</param>
    /// <param name="Value">Value asked for; null: presence is enough.</param>
    private sealed record Condition(string Name, byte[] NameBytes, HeaderMatchValue? Value);

    private sealed class Pattern
    {
        public Pattern(Binding binding)
        {
            Destination = binding.Destination;
            string match = binding.Arguments["x-match"] as string ?? "all";
            IsAny = match is "any" or "any-with-x";
            bool withX = match is "all-with-x" or "any-with-x";
            Conditions = [.. binding.Arguments.Items
                .Where(item => withX ? item.Key != "x-match" : !item.Key.StartsWith("x-", StringComparison.Ordinal))
                .OrderBy(item => item.Value is null)
                .Select(item => new Condition(item.Key, Encoding.UTF8.GetBytes(item.Key), HeaderMatchValue.From(item.Value)))];
            Indexed = IsAny ? Conditions : Conditions[..Math.Min(1, Conditions.Length)];
        }

        public IDestination Destination { get; }

        public bool IsAny { get; }

        /// <summary>Those with a value first.</summary>
        public Condition[] Conditions { get; }

        public Condition[] Indexed { get; }

        public bool AllMatch(IMessageHeaders headers)
        {
            // The first condition is the index's.
            foreach (Condition condition in Conditions.AsSpan(1))
            {
                if (!headers.TryGet(condition.NameBytes, out HeaderValue value) || condition.Value?.Matches(value) == false)
                {
                    return false;
                }
            }

            return true;
        }
    }

    private sealed class NameIndex
    {
        private readonly ConcurrentDictionary<HeaderMatchValue, SharedList<Pattern>> _byValue = new(1, 7, HeaderMatchValue.Comparer.Instance);

        public NameIndex(string name)
        {
            NameBytes = Encoding.UTF8.GetBytes(name);
            Values = _byValue.GetAlternateLookup<HeaderValue>();
        }

        public byte[] NameBytes { get; }

        public int Count { get; private set; }

        public SharedList<Pattern> Present { get; } = new();

        public ConcurrentDictionary<HeaderMatchValue, SharedList<Pattern>>.AlternateLookup<HeaderValue> Values { get; }

        public void Add(Condition condition, Pattern pattern)
        {
            Count++;
            SharedList<Pattern> patterns = condition.Value is null ? Present : _byValue.GetOrAdd(condition.Value, static _ => new SharedList<Pattern>());
            patterns.Add(pattern);
        }

        public void Remove(Condition condition, Pattern pattern)
        {
            Count--;
            if (condition.Value is null)
            {
                Present.Remove(pattern);
                return;
            }

            SharedList<Pattern> patterns = _byValue[condition.Value];
            patterns.Remove(pattern);
            if (patterns.Count == 0)
            {
                _byValue.TryRemove(condition.Value, out _);
            }
        }
    }
}
