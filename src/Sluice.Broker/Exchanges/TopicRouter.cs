using System.Text;

namespace Sluice.Broker.Exchanges;

/// <summary>
/// Topic: binding keys of words separated by '.', where '*' stands for one word and '#' for none or more. An empty key has no words.
/// The binding keys form a trie. A match follows all nodes that the words so far can reach, each at most once per word, so it costs at most
/// words × nodes reachable, however many '#' there are; the number of bindings that do not match does not count.
/// </summary>
public sealed class TopicRouter : ExchangeRouter
{
    private readonly TopicNode _root = new([], 0);

    public override bool RoutesByKey => true;

    public override void Route(in RoutingInput input, DestinationSet result) => Match(input.RoutingKey, result);

    /// <summary>Adds what matches; returns the number of nodes looked at.</summary>
    internal int Match(ReadOnlySpan<byte> key, DestinationSet result)
    {
        TopicScratch scratch = result.TopicScratch;
        int visits = Enter(_root, scratch);
        bool more = !key.IsEmpty;
        while (more && scratch.Current.Count + scratch.Reached.Count > 0)
        {
            int dot = key.IndexOf((byte)'.');
            ReadOnlySpan<byte> word = dot < 0 ? key : key[..dot];
            more = dot >= 0;
            key = key[(dot + 1)..];
            int hash = ByteKeyComparer.Hash(word);

            foreach (TopicNode node in scratch.Current.Items)
            {
                visits += Follow(node, word, hash, scratch);
            }

            // Only those reached before this word: what this word reaches has taken it already.
            ReadOnlySpan<TopicNode> reached = scratch.Reached.Items;
            foreach (TopicNode node in reached)
            {
                visits += Follow(node, word, hash, scratch);
            }

            scratch.Step();
            foreach (TopicNode node in scratch.Current.Items)
            {
                visits += ReachAnyWords(node, scratch);
            }
        }

        AddDestinations(scratch.Current.Items, result);
        AddDestinations(scratch.Reached.Items, result);
        scratch.Clear();
        return visits;
    }

    protected override void Attach(Binding binding)
    {
        TopicNode node = _root;
        foreach (byte[] word in Words(binding.RoutingKey))
        {
            node = node.GetOrAddChild(word);
        }

        node.AddDestination(binding.Destination);
    }

    protected override void Detach(Binding binding)
    {
        var path = new Stack<TopicNode>();
        TopicNode node = _root;
        foreach (byte[] word in Words(binding.RoutingKey))
        {
            path.Push(node);
            node = node.FindChildExact(word)!;
        }

        node.Destinations!.Remove(binding.Destination);
        while (node.IsEmpty && path.TryPop(out TopicNode? parent))
        {
            parent.RemoveChild(node);
            node = parent;
        }
    }

    private static IEnumerable<byte[]> Words(string key) => key.Length == 0 ? [] : key.Split('.').Select(Encoding.UTF8.GetBytes);

    private static int Enter(TopicNode root, TopicScratch scratch)
    {
        scratch.Current.Add(root);
        return 1 + ReachAnyWords(root, scratch);
    }

    /// <summary>'#' may stand for nothing: who reaches a node has reached its '#' child, and so on.</summary>
    private static int ReachAnyWords(TopicNode node, TopicScratch scratch)
    {
        int visits = 0;
        for (TopicNode? next = node.AnyWords; next is not null; next = next.AnyWords)
        {
            visits++;
            if (!scratch.Reach(next))
            {
                break;
            }
        }

        return visits;
    }

    private static int Follow(TopicNode node, ReadOnlySpan<byte> word, int hash, TopicScratch scratch)
    {
        int visits = 1;
        if (node.FindChild(word, hash) is { } child)
        {
            scratch.Next.Add(child);
            visits++;
        }

        if (node.AnyWord is { } any)
        {
            scratch.Next.Add(any);
            visits++;
        }

        return visits;
    }

    private static void AddDestinations(ReadOnlySpan<TopicNode> nodes, DestinationSet result)
    {
        foreach (TopicNode node in nodes)
        {
            if (node.Destinations is { } destinations)
            {
                AddAll(destinations, result);
            }
        }
    }
}
