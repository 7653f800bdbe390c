using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Fuzz;

/// <summary>
/// Everything that reads Kafka bytes of strangers. Malformed input may end in <see cref="KafkaParseException"/>; any other exception, memory out of
/// proportion to the input, or a message that is not the same after writing and reading it again is a finding.
/// </summary>
public sealed class KafkaTargets : IFuzzTargets
{
    private const int TargetCount = 3;

    // An exception and its stack trace; then the largest structure for the fewest bytes.
    private const long AllocatedBytesFixed = 128 << 10;
    private const long AllocatedBytesPerByte = 256;

    private static readonly Action<byte[]>[] RecordReaders =
    [
        static bytes => OffsetCommitKey.ReadRecord(bytes),
        static bytes => OffsetCommitValue.ReadRecord(bytes),
        static bytes => GroupMetadataKey.ReadRecord(bytes),
        static bytes => GroupMetadataValue.ReadRecord(bytes),
        static bytes => TransactionLogKey.ReadRecord(bytes),
        static bytes => TransactionLogValue.ReadRecord(bytes),
        static bytes => ConsumerProtocolSubscription.ReadRecord(bytes),
        static bytes => ConsumerProtocolAssignment.ReadRecord(bytes),
        static bytes => ControlRecordKey.ReadRecord(bytes),
        static bytes => EndTxnMarker.ReadRecord(bytes),
    ];

    private readonly BufferPool _pool = new();

    public IReadOnlyList<byte[]> Seeds { get; } = KafkaSeeds.All();

    public Task RunAsync(byte[] input)
    {
        if (input.Length < 2)
        {
            return Task.CompletedTask;
        }

        byte[] bytes = input[2..];
        long before = GC.GetAllocatedBytesForCurrentThread();
        long written = 0;
        try
        {
            switch (input[0] % TargetCount)
            {
                case 0:
                    written = ReadRequest(bytes);
                    break;
                case 1:
                    written = ReadResponse(KafkaApis.All[input[1] % KafkaApis.All.Count], bytes);
                    break;
                default:
                    RecordReaders[input[1] % RecordReaders.Length](bytes);
                    break;
            }
        }
        catch (KafkaParseException)
        {
            // What a stranger may get for an answer.
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before - written;
        if (allocated > AllocatedBytesFixed + (bytes.Length * AllocatedBytesPerByte))
        {
            throw new InvalidOperationException($"{bytes.Length} bytes made the parser allocate {allocated}");
        }

        return Task.CompletedTask;
    }

    public void Dispose()
    {
        if (_pool.BlocksOut != 0)
        {
            throw new InvalidOperationException($"{_pool.BlocksOut} blocks were not returned");
        }
    }

    /// <summary>A frame as a broker gets it: header and body.</summary>
    private long ReadRequest(byte[] frame)
    {
        var reader = new KafkaReader(frame);
        KafkaRequestHeader header = KafkaRequestHeader.Read(ref reader);
        return KafkaApis.Find(header.ApiKey) is { } api && api.HasVersion(header.ApiVersion)
            ? ReadBody(ref reader, api.NewRequest, header.ApiVersion)
            : 0;
    }

    /// <summary>A version, then a body as a client gets it.</summary>
    private long ReadResponse(KafkaApi api, byte[] bytes)
    {
        var reader = new KafkaReader(bytes);
        short version = (short)(api.MinVersion + ((byte)reader.ReadInt8() % (api.MaxVersion - api.MinVersion + 1)));
        return ReadBody(ref reader, api.NewResponse, version);
    }

    /// <summary>Reads a message; what could be read must survive writing and reading again. Returns the bytes allocated for that check.</summary>
    private long ReadBody(ref KafkaReader reader, Func<IKafkaMessage> create, short version)
    {
        IKafkaMessage message = create();
        message.Read(ref reader, version);
        long before = GC.GetAllocatedBytesForCurrentThread();
        byte[] first = Write(message, version);
        IKafkaMessage again = create();
        var second = new KafkaReader(first);
        again.Read(ref second, version);
        second.End();
        if (!Write(again, version).AsSpan().SequenceEqual(first))
        {
            throw new InvalidOperationException($"{message.GetType().Name} version {version} changes when it is written and read again");
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private byte[] Write(IKafkaMessage message, short version)
    {
        using var writer = new KafkaWriter(_pool);
        message.Write(writer, version);
        return writer.ToArray();
    }
}
