using System.Globalization;
using Sluice.Base.Compression;
using Sluice.Client.Producing;

namespace Sluice.LoadGenerator.Kafka;

/// <summary>A setting of a load run as it is named on a command line.</summary>
/// <param name="Name">Without the leading dashes.</param>
/// <param name="Value">What its value is called in help; null for a switch.</param>
/// <param name="Description">One line of help.</param>
/// <param name="Apply">Returns the options with the setting; throws <see cref="FormatException"/> on a value it cannot read.</param>
public sealed record KafkaLoadSetting(string Name, string? Value, string Description, Func<KafkaLoadOptions, string, KafkaLoadOptions> Apply);

/// <summary>All settings of a load run, for command lines; where the brokers are and who logs in is said in common options.</summary>
public static class KafkaLoadSettings
{
    public static IReadOnlyList<KafkaLoadSetting> All { get; } =
    [
        new("topic", "name", "Topic (sluice-load); made if the broker does that by itself.", (o, v) => o with { Topic = v }),
        new("producers", "n", "Producers (1); 0 only consumes what is there.", (o, v) => o with { Producers = Int(v) }),
        new("consumers", "n", "Consumers (0), which share the partitions. With producers they take what is sent, else what is there from the first record on.", (o, v) => o with { Consumers = Int(v) }),
        new("records", "n", "Records in all (1000000).", (o, v) => o with { Records = Long(v) }),
        new("size", "bytes", "Value size (1024).", (o, v) => o with { ValueBytes = Int(v) }),
        new("keys", "n", "Give records so many different keys (none).", (o, v) => o with { Keys = Int(v) }),
        new("rate", "records/s", "Records per second of all producers (as fast as it goes).", (o, v) => o with { Rate = Double(v) }),
        new("window", "n", "Most records that are not acknowledged, of each producer (no limit); 1 sends one after the other.", (o, v) => o with { Window = Int(v) }),
        new("acks", "0|1|all", "When the broker answers (all).", (o, v) => o with { Acks = ParseAcks(v) }),
        new("idempotence", "true|false", "Repetitions never make a second record (true with acks of all).", (o, v) => o with { Idempotence = bool.TryParse(v, out bool on) ? on : throw new FormatException("true or false is expected.") }),
        new("batch-bytes", "bytes", "Batch size (16384).", (o, v) => o with { BatchBytes = Int(v) }),
        new("linger", "ms", "How long a batch waits for more (0).", (o, v) => o with { LingerMs = Double(v) }),
        new("compression", "type", "none, gzip, snappy, lz4 or zstd (none).", (o, v) => o with { Compression = ParseCompression(v) }),
        new("in-flight", "n", "Requests on their way to a broker at once, 1 to 5 (5).", (o, v) => o with { MaxInFlight = Int(v) }),
        new("buffer-bytes", "bytes", "Most bytes that are not acknowledged, of each producer (33554432).", (o, v) => o with { BufferBytes = Long(v) }),
        new("fetch-bytes", "bytes", "Most bytes of a partition in one answer (1048576).", (o, v) => o with { FetchBytes = Int(v) }),
        new("fetch-min", "bytes", "The broker waits for so many, for at most half a second (1).", (o, v) => o with { FetchMinBytes = Int(v) }),
        new("idle", "s", "Give up consuming after this long without a record (20).", (o, v) => o with { IdleSeconds = Double(v) }),
        new("broker-pid", "pid", "Measure CPU and memory of this process and its children.", (o, v) => o with { BrokerProcessId = Int(v) }),
    ];

    /// <summary>0, 1 or all.</summary>
    /// <exception cref="FormatException">Something else.</exception>
    public static Acks ParseAcks(string text) => text switch
    {
        "0" => Acks.None,
        "1" => Acks.Leader,
        "all" or "-1" => Acks.All,
        _ => throw new FormatException("0, 1 or all is expected."),
    };

    /// <summary>none, gzip, snappy, lz4 or zstd.</summary>
    /// <exception cref="FormatException">Something else.</exception>
    public static CompressionType ParseCompression(string text) => text switch
    {
        "none" => CompressionType.None,
        "gzip" => CompressionType.Gzip,
        "snappy" => CompressionType.Snappy,
        "lz4" => CompressionType.Lz4,
        "zstd" => CompressionType.Zstd,
        _ => throw new FormatException("none, gzip, snappy, lz4 or zstd is expected."),
    };

    private static int Int(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static long Long(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static double Double(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
