namespace Sluice.Broker.Exchanges;

/// <summary>
/// One word of the binding keys of a topic exchange and all that follows it. Read without a lock, changed by one writer:
/// every field is replaced by a single reference write.
/// </summary>
internal sealed class TopicNode
{
    private static readonly TopicNode Removed = new([], 0);

    private readonly byte[] _word;
    private readonly int _hash;

    private volatile TopicNode? _anyWord;
    private volatile TopicNode? _anyWords;
    private volatile SharedList<IDestination>? _destinations;

    // Open addressing; a removed child leaves a marker so that probing goes on. Never full.
    private volatile TopicNode?[]? _children;
    private int _childCount;
    private int _usedSlots;

    public TopicNode(byte[] word, int hash)
    {
        _word = word;
        _hash = hash;
    }

    /// <summary>The child for "*".</summary>
    public TopicNode? AnyWord => _anyWord;

    /// <summary>The child for "#".</summary>
    public TopicNode? AnyWords => _anyWords;

    /// <summary>Destinations of the binding key that ends here; null if none ever did.</summary>
    public SharedList<IDestination>? Destinations => _destinations;

    public bool IsEmpty => _childCount == 0 && _anyWord is null && _anyWords is null && (_destinations is null || _destinations.Count == 0);

    public TopicNode? FindChild(ReadOnlySpan<byte> word, int hash)
    {
        TopicNode?[]? children = _children;
        if (children is null)
        {
            return null;
        }

        int mask = children.Length - 1;
        for (int at = hash & mask; ; at = (at + 1) & mask)
        {
            TopicNode? child = Volatile.Read(ref children[at]);
            if (child is null)
            {
                return null;
            }

            if (child._hash == hash && !ReferenceEquals(child, Removed) && word.SequenceEqual(child._word))
            {
                return child;
            }
        }
    }

    public TopicNode GetOrAddChild(ReadOnlySpan<byte> word)
    {
        if (word.SequenceEqual("*"u8))
        {
            return _anyWord ??= new TopicNode([], 0);
        }

        if (word.SequenceEqual("#"u8))
        {
            return _anyWords ??= new TopicNode([], 0);
        }

        int hash = ByteKeyComparer.Hash(word);
        if (FindChild(word, hash) is { } found)
        {
            return found;
        }

        var child = new TopicNode(word.ToArray(), hash);
        if (_children is null || (_usedSlots + 1) * 4 > _children.Length * 3)
        {
            Rebuild(_childCount + 1);
        }

        Place(_children!, child);
        _childCount++;
        _usedSlots++;
        return child;
    }

    public TopicNode? FindChildExact(ReadOnlySpan<byte> word)
    {
        if (word.SequenceEqual("*"u8))
        {
            return _anyWord;
        }

        return word.SequenceEqual("#"u8) ? _anyWords : FindChild(word, ByteKeyComparer.Hash(word));
    }

    public void RemoveChild(TopicNode child)
    {
        if (ReferenceEquals(child, _anyWord))
        {
            _anyWord = null;
        }
        else if (ReferenceEquals(child, _anyWords))
        {
            _anyWords = null;
        }
        else
        {
            TopicNode?[] children = _children!;
            int at = Array.IndexOf(children, child);
            Volatile.Write(ref children[at], Removed);
            _childCount--;
            if (_childCount == 0)
            {
                _children = null;
                _usedSlots = 0;
            }
            else if (children.Length > 8 && _childCount < children.Length / 8)
            {
                Rebuild(_childCount);
            }
        }
    }

    public void AddDestination(IDestination destination)
    {
        _destinations ??= new SharedList<IDestination>();
        _destinations.Add(destination);
    }

    private void Rebuild(int count)
    {
        int capacity = 2;
        while (count * 4 > capacity * 2)
        {
            capacity *= 2;
        }

        var children = new TopicNode?[capacity];
        foreach (TopicNode? child in _children ?? [])
        {
            if (child is not null && !ReferenceEquals(child, Removed))
            {
                Place(children, child);
            }
        }

        _usedSlots = _childCount;
        _children = children;
    }

    private static void Place(TopicNode?[] children, TopicNode child)
    {
        int mask = children.Length - 1;
        int at = child._hash & mask;
        while (children[at] is not null)
        {
            at = (at + 1) & mask;
        }

        Volatile.Write(ref children[at], child);
    }
}
