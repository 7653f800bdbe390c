using System.Collections.Frozen;
using System.Globalization;
using Sluice.Broker.Definitions;

namespace Sluice.Broker.Topics;

/// <summary>
/// The configuration of topics under Kafka's names (https://kafka.apache.org/documentation/#topicconfigs): which keys there are, what they
/// may be, and what they come to. A key that would have no effect here is not among them and so is refused.
/// </summary>
public static class TopicConfig
{
    public const string CleanupPolicy = "cleanup.policy";

    /// <summary>Of <see cref="CleanupPolicy"/>.</summary>
    public const string Compact = "compact";
    public const string DirtyRatioMin = "min.cleanable.dirty.ratio";
    public const string CompactionLagMsMin = "min.compaction.lag.ms";
    public const string CompactionLagMsMax = "max.compaction.lag.ms";
    public const string DeleteRetentionMs = "delete.retention.ms";
    public const string CompressionType = "compression.type";
    public const string MaxMessageBytes = "max.message.bytes";
    public const string RetentionMs = "retention.ms";
    public const string RetentionBytes = "retention.bytes";
    public const string SegmentBytes = "segment.bytes";
    public const string SegmentMs = "segment.ms";
    public const string MinInSyncReplicas = "min.insync.replicas";
    public const string FlushMessages = "flush.messages";
    public const string TimestampType = "message.timestamp.type";
    public const string TimestampBeforeMaxMs = "message.timestamp.before.max.ms";
    public const string TimestampAfterMaxMs = "message.timestamp.after.max.ms";

    private const string Longest = "9223372036854775807";
    private const string Delete = "delete";

    /// <summary>Every key, by name.</summary>
    public static FrozenDictionary<string, TopicConfigKey> Keys { get; } = new TopicConfigKey[]
    {
        new(CleanupPolicy, TopicConfigType.List, Delete, ListOf(Compact, Delete)),
        new(CompressionType, TopicConfigType.Text, "producer", OneOf("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd")),
        new(CompactionLagMsMax, TopicConfigType.Long, Longest, Number(1, long.MaxValue)),
        new(CompactionLagMsMin, TopicConfigType.Long, "0", Number(0, long.MaxValue)),
        new(DeleteRetentionMs, TopicConfigType.Long, "86400000", Number(0, long.MaxValue)),
        new(DirtyRatioMin, TopicConfigType.Double, "0.5", Ratio),
        new(FlushMessages, TopicConfigType.Long, Longest, Number(1, long.MaxValue)),
        new(MaxMessageBytes, TopicConfigType.Int, "1048588", Number(0, 256 << 20)),
        new(MinInSyncReplicas, TopicConfigType.Int, "1", Number(1, int.MaxValue)),
        new(RetentionBytes, TopicConfigType.Long, "-1", Number(-1, long.MaxValue)),
        new(RetentionMs, TopicConfigType.Long, "604800000", Number(-1, long.MaxValue)),
        new(SegmentBytes, TopicConfigType.Int, "67108864", Number(1 << 20, int.MaxValue)),
        new(SegmentMs, TopicConfigType.Long, "604800000", Number(1, long.MaxValue)),
        new(TimestampAfterMaxMs, TopicConfigType.Long, "3600000", Number(0, long.MaxValue)),
        new(TimestampBeforeMaxMs, TopicConfigType.Long, Longest, Number(0, long.MaxValue)),
        new(TimestampType, TopicConfigType.Text, "CreateTime", OneOf("CreateTime", "LogAppendTime")),
    }.ToFrozenDictionary(static key => key.Name, StringComparer.Ordinal);

    /// <summary>InvalidArgument, with a sentence, for a key that is not known or a value that is not valid.</summary>
    public static BrokerResult Check(IReadOnlyDictionary<string, string> config)
    {
        foreach ((string name, string value) in config)
        {
            if (!Keys.TryGetValue(name, out TopicConfigKey? key))
            {
                return new BrokerResult(BrokerStatus.InvalidArgument, $"Unknown topic config name: {name}");
            }

            if (key.Problem(value) is { } problem)
            {
                return new BrokerResult(BrokerStatus.InvalidArgument, $"Invalid value {value} for configuration {name}: {problem}");
            }
        }

        TopicSettings settings = Resolve(config);
        return settings.CompactionLagMsMin <= settings.CompactionLagMsMax
            ? BrokerResult.Ok
            : new BrokerResult(BrokerStatus.InvalidArgument, $"conflict topic config setting {CompactionLagMsMin} ({settings.CompactionLagMsMin}) > {CompactionLagMsMax} ({settings.CompactionLagMsMax})");
    }

    /// <summary>What a checked configuration comes to.</summary>
    public static TopicSettings Resolve(IReadOnlyDictionary<string, string> config)
    {
        string[] cleanup = Text(CleanupPolicy).Split(',', StringSplitOptions.TrimEntries);
        return new TopicSettings
        {
            IsDeleted = cleanup.Contains(Delete, StringComparer.Ordinal),
            IsCompacted = cleanup.Contains(Compact, StringComparer.Ordinal),
            DirtyRatioMin = double.Parse(Text(DirtyRatioMin), CultureInfo.InvariantCulture),
            CompactionLagMsMin = Long(CompactionLagMsMin),
            CompactionLagMsMax = Long(CompactionLagMsMax),
            DeleteRetentionMs = Long(DeleteRetentionMs),
            SegmentMs = Long(SegmentMs),
            RetentionMs = Long(RetentionMs),
            RetentionBytes = Long(RetentionBytes),
            SegmentBytes = (int)Long(SegmentBytes),
            MaxMessageBytes = (int)Long(MaxMessageBytes),
            MinInSyncReplicas = (int)Long(MinInSyncReplicas),
            SyncsEachAppend = Long(FlushMessages) != long.MaxValue,
            UsesAppendTime = Text(TimestampType) == "LogAppendTime",
            TimestampBeforeMaxMs = Long(TimestampBeforeMaxMs),
            TimestampAfterMaxMs = Long(TimestampAfterMaxMs),
            Compression = Text(CompressionType),
        };

        string Text(string name) => config.TryGetValue(name, out string? value) ? value : Keys[name].Default;

        long Long(string name) => long.Parse(Text(name), CultureInfo.InvariantCulture);
    }

    /// <summary>What a stream that was declared as a queue has been given by its arguments and policies.</summary>
    internal static IReadOnlyDictionary<string, string> Of(QueueSettings settings)
    {
        var config = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [RetentionMs] = settings.MaxAgeMs.ToString(CultureInfo.InvariantCulture),
            [RetentionBytes] = settings.MaxLengthBytes.ToString(CultureInfo.InvariantCulture),
        };
        if (settings.SegmentBytes > 0)
        {
            config[SegmentBytes] = settings.SegmentBytes.ToString(CultureInfo.InvariantCulture);
        }

        return config;
    }

    private static Func<string, string?> OneOf(params string[] values) =>
        value => values.Contains(value, StringComparer.Ordinal) ? null : $"String must be one of: {string.Join(", ", values)}";

    private static Func<string, string?> ListOf(params string[] values) => value =>
    {
        string[] items = value.Split(',', StringSplitOptions.TrimEntries);
        return items.FirstOrDefault(item => !values.Contains(item, StringComparer.Ordinal)) is not null ? $"String must be one of: {string.Join(", ", values)}"
            : items.Distinct(StringComparer.Ordinal).Count() < items.Length ? "Configuration must not contain duplicate values"
            : null;
    };

    private static string? Ratio(string value) =>
        !double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double ratio) || double.IsNaN(ratio) ? "Not a number"
        : ratio < 0 ? "Value must be at least 0"
        : ratio > 1 ? "Value must be no more than 1"
        : null;

    private static Func<string, string?> Number(long min, long max) => value =>
        !long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? "Not a number"
        : number < min ? $"Value must be at least {min}"
        : number > max ? $"Value must be at most {max}"
        : null;
}

/// <summary>One key of a topic's configuration.</summary>
/// <param name="Name">Kafka's name.</param>
/// <param name="Type">How clients are to read the value.</param>
/// <param name="Default">The value of a topic that does not set it.</param>
/// <param name="Problem">Says what is wrong with a value; null: nothing.</param>
public sealed record TopicConfigKey(string Name, TopicConfigType Type, string Default, Func<string, string?> Problem);

/// <summary>Types of configuration values.</summary>
public enum TopicConfigType : byte
{
    Boolean,
    Text,
    Int,
    Long,
    Double,
    List,
}
