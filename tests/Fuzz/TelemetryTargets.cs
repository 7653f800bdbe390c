using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Base.Scheduling;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Telemetry;

namespace Sluice.Fuzz;

/// <summary>
/// What reads the metrics that clients push. The input's first byte chooses the reader alone, a push of bytes as they are, or one of bytes that are well compressed; the second the
/// compression. A push may be refused; an exception (but <see cref="InvalidDataException"/> of the reader), memory out of proportion, a block that is not returned, or more kept than
/// the limits allow is a finding.
/// </summary>
public sealed class TelemetryTargets : IFuzzTargets
{
    private const int TargetCount = 3;
    private const int CompressionCount = 5;

    // An exception and its stack trace, the streams of gzip; then a value for the fewest bytes.
    private const long AllocatedBytesFixed = 256 << 10;
    private const long AllocatedBytesPerByte = 256;

    private static readonly TelemetryOptions Options = new() { PushBytesMax = 64 << 10, InstancesMax = 4, ValuesMax = 50, KeptBytesMax = 20_000 };

    private readonly BufferPool _pool = new();
    private readonly LogStore _store = LogStore.Open(new LogStoreOptions(), new FaultDisk(1), new SystemScheduler(), TimeProvider.System, NullLoggerFactory.Instance);
    private readonly ClientTelemetry _telemetry;
    private int _clients;

    /// <summary>Makes the targets ready; nothing of them is shared.</summary>
    public TelemetryTargets() => _telemetry = new ClientTelemetry(Options, _store.Metadata, _pool, TimeProvider.System);

    public IReadOnlyList<byte[]> Seeds { get; } = AllSeeds();

    public Task RunAsync(byte[] input)
    {
        if (input.Length < 2)
        {
            return Task.CompletedTask;
        }

        byte[] bytes = input[2..];
        var type = (CompressionType)(input[1] % CompressionCount);
        switch (input[0] % TargetCount)
        {
            case 0:
                Read(bytes);
                break;
            case 1:
                Push(bytes, type);
                break;
            default:
                Push(Compressed(bytes, type), type);
                break;
        }

        return Task.CompletedTask;
    }

    public void Dispose() => _store.Dispose();

    private static List<byte[]> AllSeeds()
    {
        byte[][] data =
        [
            Otlp.Data([("group_id", "g")], Otlp.Gauge("org.apache.kafka.consumer.lag", 1.5, ("topic", "t")), Otlp.Sum("org.apache.kafka.consumer.read.total", 7), Otlp.Sum("m", 3, isDelta: true, ("node_id", "1"))),
            Otlp.Data([], [.. Enumerable.Range(0, 60).Select(static i => Otlp.Gauge($"m{i}", i))]),
            Otlp.Message((1, Otlp.Message((2, Otlp.Message((2, Otlp.Message((1, "h"), (9, new byte[5]), (11, Otlp.Message((1, Otlp.Point(1)))))))), (3, "schema"), (77, 1ul)))),
        ];
        var seeds = new List<byte[]>();
        foreach (byte[] one in data)
        {
            seeds.Add([0, 0, .. one]);
            for (byte type = 0; type < CompressionCount; type++)
            {
                seeds.Add([1, type, .. Compressed(one, (CompressionType)type)]);
                seeds.Add([2, type, .. one]);
            }
        }

        return seeds;
    }

    private static byte[] Compressed(byte[] bytes, CompressionType type)
    {
        using var to = new PooledBufferWriter(new BufferPool());
        Compressor.Compress(type, level: null, bytes, to);
        return to.WrittenSpan.ToArray();
    }

    private static void Read(byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            if (OtlpReader.Read(bytes, Options.ValuesMax).Values.Count > Options.ValuesMax)
            {
                throw new InvalidOperationException("more values than the limit allows");
            }
        }
        catch (InvalidDataException)
        {
            // What the client gets INVALID_RECORD for.
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > AllocatedBytesFixed + (bytes.Length * AllocatedBytesPerByte))
        {
            throw new InvalidOperationException($"{bytes.Length} bytes made the reader allocate {allocated}");
        }
    }

    private void Push(byte[] bytes, CompressionType type)
    {
        var client = new TelemetryClient(new Guid(++_clients, 0, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 0), "fuzz", "fuzz", "1", new IPEndPoint(IPAddress.Loopback, 1));
        if (_telemetry.Ask(client, 1, out RequestedMetrics requested) != KafkaErrorCode.None)
        {
            throw new InvalidOperationException("a new client may not ask");
        }

        KafkaErrorCode error = _telemetry.Push(client, 1, new PushTelemetryRequest { SubscriptionId = requested.Id, CompressionType = (sbyte)type, Metrics = bytes });
        if (error is not (KafkaErrorCode.None or KafkaErrorCode.InvalidRecord or KafkaErrorCode.TelemetryTooLarge))
        {
            throw new InvalidOperationException($"a push was refused with {error}");
        }

        IReadOnlyList<ClientMetrics> clients = _telemetry.List();
        if (clients.Count > Options.InstancesMax || clients.Any(static one => one.Values.Count > Options.ValuesMax) || clients.Sum(static one => one.Values.Sum(static value => value.Bytes)) > Options.KeptBytesMax)
        {
            throw new InvalidOperationException("more is kept than the limits allow");
        }

        if (_pool.BlocksOut != 0)
        {
            throw new InvalidOperationException($"{_pool.BlocksOut} blocks were not returned");
        }
    }
}
