namespace Sluice.Broker.Exchanges;

/// <summary>Working memory of one topic match, kept by the publisher's <see cref="DestinationSet"/>.</summary>
internal sealed class TopicScratch
{
    private const int KeptMax = 4096;

    private readonly HashSet<TopicNode> _reachedSet = new(ReferenceEqualityComparer.Instance);

    /// <summary>Nodes reached by exactly the words read so far.</summary>
    public NodeList Current { get; private set; } = new();

    /// <summary>Nodes reached by one word more.</summary>
    public NodeList Next { get; private set; } = new();

    /// <summary>"#" nodes reached so far. A reached one stays reached: it takes every later word.</summary>
    public NodeList Reached { get; } = new();

    /// <summary>Makes <see cref="Next"/> the current nodes.</summary>
    public void Step()
    {
        (Current, Next) = (Next, Current);
        Next.Reset();
    }

    /// <summary>Adds a "#" node; false if it was there.</summary>
    public bool Reach(TopicNode node)
    {
        const int LinearMax = 16;
        if (Reached.Count < LinearMax)
        {
            if (Reached.Items.Contains(node))
            {
                return false;
            }
        }
        else
        {
            if (_reachedSet.Count == 0)
            {
                foreach (TopicNode earlier in Reached.Items)
                {
                    _reachedSet.Add(earlier);
                }
            }

            if (!_reachedSet.Add(node))
            {
                return false;
            }
        }

        Reached.Add(node);
        return true;
    }

    /// <summary>Lets go of all nodes, and of memory that an unusually wide match took.</summary>
    public void Clear()
    {
        Current.Clear(KeptMax);
        Next.Clear(KeptMax);
        Reached.Clear(KeptMax);
        if (_reachedSet.Count > 0)
        {
            _reachedSet.Clear();
            if (_reachedSet.Capacity > KeptMax)
            {
                _reachedSet.TrimExcess(0);
            }
        }
    }

    internal sealed class NodeList
    {
        private TopicNode[] _items = new TopicNode[16];
        private int _count;
        private int _dirty;

        public int Count => _count;

        public ReadOnlySpan<TopicNode> Items => _items.AsSpan(0, _count);

        public void Add(TopicNode node)
        {
            if (_count == _items.Length)
            {
                Array.Resize(ref _items, _count * 2);
            }

            _items[_count++] = node;
        }

        public void Reset()
        {
            _dirty = Math.Max(_dirty, _count);
            _count = 0;
        }

        public void Clear(int keptMax)
        {
            Reset();
            if (_items.Length > keptMax)
            {
                _items = new TopicNode[16];
            }
            else
            {
                _items.AsSpan(0, _dirty).Clear();
            }

            _dirty = 0;
        }
    }
}
