using Sluice.Broker.Queues;

namespace Sluice.Broker.Publishing;

/// <summary>
/// Remembers where (exchange, routing key) led, as long as no binding, queue or exchange of the virtual host changed.
/// Fixed size; entries keep their arrays, so that a hit or a replacement does not allocate in the steady state. One per publish turn.
/// </summary>
internal sealed class RouteCache
{
    private const int Slots = 256;
    private readonly Entry?[] _entries = new Entry?[Slots];

    /// <summary>Finds the queues; false on a miss. <paramref name="slot"/> is what <see cref="Store"/> wants.</summary>
    public bool TryFind(long version, ReadOnlySpan<byte> exchange, ReadOnlySpan<byte> routingKey, out int slot, out ReadOnlySpan<MessageQueue> queues)
    {
        slot = Hash(exchange, routingKey);
        Entry? entry = _entries[slot];
        if (entry is not null && entry.Version == version && entry.Matches(exchange, routingKey))
        {
            queues = entry.Queues.AsSpan(0, entry.Count);
            return true;
        }

        queues = default;
        return false;
    }

    public void Store(int slot, long version, ReadOnlySpan<byte> exchange, ReadOnlySpan<byte> routingKey, ReadOnlySpan<MessageQueue> queues)
    {
        if (queues.Length > 64)
        {
            return;
        }

        Entry entry = _entries[slot] ??= new Entry();
        entry.Set(version, exchange, routingKey, queues);
    }

    private static int Hash(ReadOnlySpan<byte> exchange, ReadOnlySpan<byte> routingKey)
    {
        uint hash = 2166136261;
        foreach (byte b in routingKey)
        {
            hash = (hash ^ b) * 16777619;
        }

        hash = (hash ^ (uint)exchange.Length) * 16777619;
        return (int)((hash ^ (hash >> 16)) % Slots);
    }

    private sealed class Entry
    {
        private byte[] _key = [];
        private int _exchangeLength;
        private int _keyLength;

        public long Version { get; private set; }

        public MessageQueue[] Queues { get; private set; } = [];

        public int Count { get; private set; }

        public bool Matches(ReadOnlySpan<byte> exchange, ReadOnlySpan<byte> routingKey) =>
            _exchangeLength == exchange.Length && _keyLength == exchange.Length + routingKey.Length
            && _key.AsSpan(0, _exchangeLength).SequenceEqual(exchange)
            && _key.AsSpan(_exchangeLength, routingKey.Length).SequenceEqual(routingKey);

        public void Set(long version, ReadOnlySpan<byte> exchange, ReadOnlySpan<byte> routingKey, ReadOnlySpan<MessageQueue> queues)
        {
            Version = version;
            _exchangeLength = exchange.Length;
            _keyLength = exchange.Length + routingKey.Length;
            if (_key.Length < _keyLength)
            {
                _key = new byte[_keyLength];
            }

            exchange.CopyTo(_key);
            routingKey.CopyTo(_key.AsSpan(_exchangeLength));
            if (Queues.Length < queues.Length)
            {
                Queues = new MessageQueue[queues.Length];
            }

            queues.CopyTo(Queues);
            Count = queues.Length;
        }
    }
}
