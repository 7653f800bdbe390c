using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>What clients tell of themselves (KIP-714): which metrics the broker asks each for, and the newest values of them. Thread-safe.</summary>
public sealed class ClientTelemetry
{
    // Kafka's order of preference.
    private static readonly CompressionType[] s_compressions = [CompressionType.Zstd, CompressionType.Lz4, CompressionType.Gzip, CompressionType.Snappy];

    /// <summary>That of the metadata topic, which Kafka reserves.</summary>
    private static readonly Guid s_reserved = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

    private readonly TelemetryOptions _options;
    private readonly TimeProvider _clock;
    private readonly BufferPool _buffers;
    private readonly TelemetryInstances _instances;
    private readonly Lock _sync = new();

    internal ClientTelemetry(TelemetryOptions options, IMetadataStore metadata, BufferPool buffers, TimeProvider clock)
    {
        _options = options;
        _clock = clock;
        _buffers = buffers;
        _instances = new TelemetryInstances(options);
        Subscriptions = new MetricsSubscriptions(metadata);
    }

    internal MetricsSubscriptions Subscriptions { get; }

    /// <summary>In which clients may compress a push, what the broker likes best first.</summary>
    internal static IEnumerable<CompressionType> Compressions => s_compressions.Where(Compressor.IsAvailable);

    private long NowMs => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>The client instances that are remembered, with their values.</summary>
    public IReadOnlyList<ClientMetrics> List()
    {
        lock (_sync)
        {
            _instances.Sweep(NowMs);
            return [.. _instances.All.Where(static instance => instance.Client is not null).Select(Describe)];
        }
    }

    /// <summary>The instance asks what it is to push.</summary>
    internal KafkaErrorCode Ask(TelemetryClient client, long connection, out RequestedMetrics requested)
    {
        lock (_sync)
        {
            long nowMs = NowMs;
            TelemetryInstance instance = Find(client, connection, nowMs);
            requested = instance.Requested!;
            return instance.Ask(nowMs);
        }
    }

    /// <summary>The instance pushes.</summary>
    internal KafkaErrorCode Push(TelemetryClient client, long connection, PushTelemetryRequest push)
    {
        if (client.InstanceId == Guid.Empty || client.InstanceId == s_reserved)
        {
            return KafkaErrorCode.InvalidRequest;
        }

        TelemetryInstance instance;
        KafkaErrorCode error;
        lock (_sync)
        {
            long nowMs = NowMs;
            instance = Find(client, connection, nowMs);
            error = instance.Push(nowMs, push.Terminating);
            error = error != KafkaErrorCode.None ? error
                : push.SubscriptionId != instance.Requested!.Id ? KafkaErrorCode.UnknownSubscriptionId
                : push.CompressionType != (sbyte)CompressionType.None && !Compressions.Contains((CompressionType)push.CompressionType) ? KafkaErrorCode.UnsupportedCompressionType
                : push.Metrics.Length > _options.PushBytesMax ? KafkaErrorCode.TelemetryTooLarge
                : KafkaErrorCode.None;
        }

        IReadOnlyList<ClientMetric> values = [];
        int leftOff = 0;
        bool hasValues = error == KafkaErrorCode.None && push.Metrics.Length > 0;
        if (hasValues)
        {
            error = Read(push, out values, out leftOff);
        }

        lock (_sync)
        {
            instance.Pushed(error);
            if (hasValues && error == KafkaErrorCode.None)
            {
                _instances.Keep(instance, values, leftOff, NowMs);
            }
        }

        return error;
    }

    /// <summary>A connection has ended.</summary>
    internal void Disconnected(long connection)
    {
        lock (_sync)
        {
            _instances.Disconnected(connection);
        }
    }

    private static ClientMetrics Describe(TelemetryInstance instance) => new()
    {
        InstanceId = instance.Client!.Id,
        ClientId = instance.Client.ClientId,
        SoftwareName = instance.Client.SoftwareName,
        SoftwareVersion = instance.Client.SoftwareVersion,
        Address = instance.Client.EndPoint.Address.ToString(),
        Port = instance.Client.EndPoint.Port,
        IntervalMs = instance.Requested!.IntervalMs,
        Requested = instance.Requested.Metrics,
        ReceivedAt = instance.ReceivedMs == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(instance.ReceivedMs),
        IsTerminating = instance.IsTerminating,
        Values = instance.Values,
        LeftOff = instance.LeftOff,
    };

    /// <summary>The instance, with what it is asked for by the subscriptions of now.</summary>
    private TelemetryInstance Find(TelemetryClient client, long connection, long nowMs)
    {
        TelemetryInstance instance = _instances.Use(client.InstanceId, nowMs);
        if (instance.HasEnded || instance.Requested?.Version != Subscriptions.Version)
        {
            // As with Kafka, a client stays for subscriptions what it was when it came.
            TelemetryClient known = instance.HasEnded ? client : instance.Client ?? client;
            instance.Begin(known, Subscriptions.For(known));
            _instances.Bind(connection, instance);
        }

        return instance;
    }

    private KafkaErrorCode Read(PushTelemetryRequest push, out IReadOnlyList<ClientMetric> values, out int leftOff)
    {
        (values, leftOff) = ([], 0);
        using var bytes = new PooledBufferWriter(_buffers);
        try
        {
            Compressor.Decompress((CompressionType)push.CompressionType, push.Metrics.Span, _options.PushBytesMax, bytes);
            (values, leftOff) = OtlpReader.Read(bytes.WrittenSpan, _options.ValuesMax);
            return KafkaErrorCode.None;
        }
        catch (DecompressionLimitException)
        {
            return KafkaErrorCode.TelemetryTooLarge;
        }
        catch (Exception error) when (error is CompressedDataException or InvalidDataException)
        {
            return KafkaErrorCode.InvalidRecord;
        }
    }
}
