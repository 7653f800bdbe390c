using System.Buffers.Binary;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka;

/// <summary>Gives out producer ids, each once in the life of the data. They are reserved in blocks: those of a block that a stop of the broker leaves over are never used.</summary>
internal sealed class ProducerIds(IMetadataStore metadata) : IDisposable
{
    private const string Key = "kafka/producer-ids";
    private const int BlockSize = 1000;

    private readonly SemaphoreSlim _turn = new(1);
    private long _next;
    private long _end;

    /// <exception cref="IOException">The block could not be kept.</exception>
    public async ValueTask<long> NextAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            while (_next == _end)
            {
                MetadataEntry? entry = metadata.Get(Key);
                long start = entry is null ? 0 : BinaryPrimitives.ReadInt64BigEndian(entry.Value.Span);
                byte[] value = new byte[sizeof(long)];
                BinaryPrimitives.WriteInt64BigEndian(value, start + BlockSize);
                var transaction = new MetadataTransaction([new MetadataCondition(Key, entry?.ModRevision ?? 0)], [new MetadataOperation(Key, value)]);
                if ((await metadata.CommitAsync(transaction).ConfigureAwait(false)).Succeeded)
                {
                    (_next, _end) = (start, start + BlockSize);
                }
            }

            return _next++;
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();
}
