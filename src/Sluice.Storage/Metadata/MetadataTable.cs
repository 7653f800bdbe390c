namespace Sluice.Storage.Metadata;

/// <summary>An entry and the offset of the record that holds it. Flat, since there may be hundreds of thousands.</summary>
internal readonly record struct MetadataSlot(string Key, byte[] Value, long CreateRevision, long ModRevision, long Offset)
{
    public MetadataEntry ToEntry() => new(Key, Value, CreateRevision, ModRevision);
}

/// <summary>Entries in key order, in blocks small enough that an insertion moves little. Not thread-safe.</summary>
internal sealed class MetadataTable
{
    private const int BlockMax = 256;

    private readonly List<List<MetadataSlot>> _blocks = [];

    public int Count { get; private set; }

    public bool TryGet(string key, out MetadataSlot slot)
    {
        slot = default;
        if (!TryFind(key, out int block, out int index))
        {
            return false;
        }
        slot = _blocks[block][index];
        return true;
    }

    public void Set(in MetadataSlot slot)
    {
        if (TryFind(slot.Key, out int block, out int index))
        {
            _blocks[block][index] = slot;
            return;
        }
        if (_blocks.Count == 0)
        {
            _blocks.Add([]);
        }
        List<MetadataSlot> target = _blocks[block];
        if (target.Count == BlockMax)
        {
            // At the end nothing is moved, so that keys that come in order fill their blocks.
            int keep = index == BlockMax ? BlockMax : BlockMax / 2;
            List<MetadataSlot> right = target.GetRange(keep, BlockMax - keep);
            target.RemoveRange(keep, BlockMax - keep);
            target.TrimExcess();
            _blocks.Insert(block + 1, right);
            if (index >= keep)
            {
                target = right;
                index -= keep;
            }
        }
        target.Insert(index, slot);
        Count++;
    }

    public bool Remove(string key)
    {
        if (!TryFind(key, out int block, out int index))
        {
            return false;
        }
        _blocks[block].RemoveAt(index);
        if (_blocks[block].Count == 0)
        {
            _blocks.RemoveAt(block);
        }
        Count--;
        return true;
    }

    public List<MetadataEntry> Range(string prefix)
    {
        List<MetadataEntry> found = [];
        TryFind(prefix, out int block, out int index);
        for (; block < _blocks.Count; block++, index = 0)
        {
            for (List<MetadataSlot> slots = _blocks[block]; index < slots.Count; index++)
            {
                if (!slots[index].Key.StartsWith(prefix, StringComparison.Ordinal))
                {
                    return found;
                }
                found.Add(slots[index].ToEntry());
            }
        }
        return found;
    }

    /// <summary>Where the key is, or where it would be inserted.</summary>
    private bool TryFind(string key, out int block, out int index)
    {
        int low = 0;
        int high = _blocks.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (string.CompareOrdinal(_blocks[middle][0].Key, key) <= 0)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }
        block = low;
        index = 0;
        if (_blocks.Count == 0)
        {
            return false;
        }
        List<MetadataSlot> slots = _blocks[block];
        int first = 0;
        int last = slots.Count;
        while (first < last)
        {
            int middle = (first + last) / 2;
            int order = string.CompareOrdinal(slots[middle].Key, key);
            if (order == 0)
            {
                index = middle;
                return true;
            }
            if (order < 0)
            {
                first = middle + 1;
            }
            else
            {
                last = middle;
            }
        }
        index = first;
        return false;
    }
}
