using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Sluice.Storage.Compaction;

/// <summary>The newest offset of each key, in memory of a fixed size. A key is known by 128 bits of its SHA-256, so that nobody can make two keys one.</summary>
internal sealed class OffsetMap
{
    private const int SlotBytes = 24;
    private const int SlotsMin = 16;
    private const double LoadMax = 0.75;

    private readonly Slot[] _slots;
    private readonly int _countMax;
    private int _count;

    /// <param name="keys">How many there can be at most; the map is no larger than they need.</param>
    /// <param name="bytesMax">The most memory it may take.</param>
    public OffsetMap(long keys, long bytesMax)
    {
        long wanted = (long)(Math.Max(0, keys) / LoadMax) + SlotsMin;
        _slots = new Slot[Math.Clamp(bytesMax / SlotBytes, SlotsMin, wanted)];
        _countMax = (int)(_slots.Length * LoadMax);
    }

    /// <summary>Notes an offset for the key, in the order of offsets; false if the key is new and the map is full.</summary>
    public bool TryPut(ReadOnlySpan<byte> key, long offset)
    {
        ref Slot slot = ref Find(key, out ulong first, out ulong second);
        if (slot.NextOffset == 0)
        {
            if (_count == _countMax)
            {
                return false;
            }
            _count++;
            slot.First = first;
            slot.Second = second;
        }
        slot.NextOffset = offset + 1;
        return true;
    }

    /// <summary>The newest offset noted for the key; -1 if there is none.</summary>
    public long Find(ReadOnlySpan<byte> key) => Find(key, out _, out _).NextOffset - 1;

    private ref Slot Find(ReadOnlySpan<byte> key, out ulong first, out ulong second)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(key, hash);
        first = BinaryPrimitives.ReadUInt64LittleEndian(hash);
        second = BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]);
        int at = (int)(first % (ulong)_slots.Length);
        while (_slots[at].NextOffset != 0 && (_slots[at].First != first || _slots[at].Second != second))
        {
            at = at + 1 == _slots.Length ? 0 : at + 1;
        }
        return ref _slots[at];
    }

    private struct Slot
    {
        public ulong First;
        public ulong Second;

        /// <summary>The offset + 1; 0 for a free slot.</summary>
        public long NextOffset;
    }
}
