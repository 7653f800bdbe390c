using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Sluice.Client;
using Sluice.Client.Consuming;
using Sluice.Commands.Client;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Commands.Verbs;

/// <summary>sluice consume --kafka: prints records of a topic as they come.</summary>
internal static class KafkaConsume
{
    private const string First = "first";
    private const string Next = "next";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan PatienceMin = TimeSpan.FromSeconds(1);

    private static readonly Option<string?> Group = new("--group") { Description = "Kafka: as a member of this group, which goes on where it was.", HelpName = "name" };
    private static readonly Option<string?> Time = new("--time") { Description = "Kafka: begin with the first record of this time or later, such as 2026-05-01T08:00:00Z.", HelpName = "time" };
    private static readonly Option<int[]> Partition = new("--partition") { Description = "Kafka: only this partition; repeatable (all).", HelpName = "n", DefaultValueFactory = _ => [] };
    private static readonly Option<bool> Uncommitted = new("--uncommitted") { Description = "Kafka: also records of open and rolled back transactions." };
    private static readonly Option<string?> Format = new("--format") { Description = "Kafka: what to print for each record, with {topic} {partition} {offset} {time} {key} {value} {headers} and \\n, \\t (\"{value}\\n\").", HelpName = "text" };

    /// <summary>Speak Kafka's protocol, about this topic.</summary>
    public static Option<string?> Topic { get; } = new("--kafka") { Description = "Consume this topic by Kafka's protocol.", HelpName = "topic" };

    /// <summary>All that Kafka adds to the verb.</summary>
    public static Symbol[] Options => [Topic, .. OwnOptions];

    /// <summary>Those that make no sense without <see cref="Topic"/>.</summary>
    public static Option[] OwnOptions => [Group, Time, Partition, Uncommitted, Format, .. KafkaOptions.Access];

    public static async Task<int> RunAsync(Invocation invocation, TimeSpan? wait, long most, bool peek, bool verbose, string? offset)
    {
        if (invocation.Has(Group))
        {
            invocation.Refuse("is not for --group: the group says what is read, and from where", Partition, Time);
            if (offset is not null and not First and not Next)
            {
                throw new CommandException($"--offset is {First} or {Next} with --group: where to begin when the group has no offset yet.");
            }
        }

        try
        {
            return await ConsumeAsync(invocation, wait, most, peek, verbose, offset).ConfigureAwait(false);
        }
        catch (KafkaClientException error) when (error.ErrorCode == KafkaErrorCode.OffsetOutOfRange)
        {
            throw new CommandException($"--offset {offset}: the log does not reach there, or not any more. Begin with its {First} record, with the {Next} one that comes, or at a time with {Time.Name}.");
        }
        catch (KafkaClientException error)
        {
            throw KafkaAdvice.Of(error, invocation, invocation.Value(Topic)!);
        }
    }

    private static async Task<int> ConsumeAsync(Invocation invocation, TimeSpan? wait, long most, bool peek, bool verbose, string? offset)
    {
        string topic = invocation.Value(Topic)!;
        await using var consumer = new KafkaConsumer<byte[]?, byte[]?>(ToOptions(invocation, peek, offset, wait));
        if (invocation.Has(Group))
        {
            // A group waits for topics that are not there; whoever gave the command would take that for an empty one.
            await consumer.PartitionsAsync(topic, invocation.Cancel).ConfigureAwait(false);
            consumer.Subscribe(topic);
        }
        else
        {
            await AssignAsync(invocation, consumer, topic, offset).ConfigureAwait(false);
        }

        long taken = 0;
        PatientConsumer records = new(consumer, invocation, wait, invocation.Has(Group) ? invocation.Value(Group) : null);
        while (taken < most && await records.NextAsync().ConfigureAwait(false) is { } record)
        {
            Print(invocation, record, verbose);
            taken++;
        }

        return most == long.MaxValue || taken == most ? 0 : invocation.TooFew(taken, most, wait);
    }

    private static ConsumerOptions ToOptions(Invocation invocation, bool peek, string? offset, TimeSpan? wait) => new()
    {
        BootstrapServers = invocation.Servers(),
        ClientId = "sluice command",
        Sasl = invocation.Login(),
        Tls = invocation.Tls(),

        // A topic that is not there is no reason to wait longer than for a record.
        RetriesFirstConnection = false,
        MaxBlock = wait is { } most && most < Patience ? (most > PatienceMin ? most : PatienceMin) : Patience,
        GroupId = invocation.Value(Group),
        EnableAutoCommit = !peek,
        AutoOffsetReset = offset == First ? AutoOffsetReset.Earliest : offset is null or Next ? AutoOffsetReset.Latest : AutoOffsetReset.None,
        IsolationLevel = invocation.Value(Uncommitted) ? IsolationLevel.ReadUncommitted : IsolationLevel.ReadCommitted,
        OnBackgroundError = new TroubleLog(invocation.Error).Tell,
    };

    private static async Task AssignAsync(Invocation invocation, KafkaConsumer<byte[]?, byte[]?> consumer, string topic, string? offset)
    {
        IReadOnlyList<TopicPartition> all = await consumer.PartitionsAsync(topic, invocation.Cancel).ConfigureAwait(false);
        int[] wanted = invocation.Value(Partition);
        if (wanted.FirstOrDefault(partition => partition < 0 || partition >= all.Count, -1) is var missing && wanted.Contains(missing))
        {
            throw new CommandException($"Topic '{topic}' has partitions 0 to {all.Count - 1}, not {missing}.");
        }

        TopicPartition[] partitions = [.. wanted.Length == 0 ? all : all.Where(partition => wanted.Contains(partition.Partition))];
        consumer.Assign(partitions);
        DateTimeOffset? time = ReadTime(invocation);
        foreach (TopicPartition partition in partitions)
        {
            if (time is { } from)
            {
                consumer.SeekToTime(partition, from);
            }
            else if (offset is First)
            {
                consumer.SeekToBeginning(partition);
            }
            else if (offset is null or Next)
            {
                consumer.SeekToEnd(partition);
            }
            else if (long.TryParse(offset, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
            {
                consumer.Seek(partition, number);
            }
            else
            {
                throw new CommandException($"--offset cannot be '{offset}' with --kafka: {First}, {Next} or a number is expected.");
            }
        }
    }

    private static DateTimeOffset? ReadTime(Invocation invocation)
    {
        if (invocation.Value(Time) is not { } text)
        {
            return null;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time)
            ? time
            : throw new CommandException($"--time cannot be '{text}': a time such as 2026-05-01T08:00:00Z is expected.");
    }

    private static void Print(Invocation invocation, in ConsumedRecord<byte[]?, byte[]?> record, bool verbose)
    {
        if (invocation.Json)
        {
            invocation.Out.WriteLine(ToJson(record));
            return;
        }

        if (invocation.Value(Format) is { } format)
        {
            invocation.Out.Write(Fill(format, record));
            return;
        }

        if (verbose)
        {
            invocation.Out.WriteLine($"partition {record.Partition.Partition}, offset {record.Offset}, {Iso(record.TimestampMs)}{(record.Key is null ? "" : $", key '{Text(record.Key)}'")}, {Math.Max(0, record.ValueBytes)} bytes");
            foreach (RecordHeader header in record.Headers)
            {
                invocation.Out.WriteLine($"  {header.Key}: {Text(header.Value?.ToArray())}");
            }
        }

        invocation.Out.WriteLine(Text(record.Value));
    }

    private static string Fill(string format, in ConsumedRecord<byte[]?, byte[]?> record)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] == '\\' && i + 1 < format.Length)
            {
                i++;
                text.Append(format[i] switch { 'n' => '\n', 't' => '\t', var other => other });
            }
            else if (format[i] == '{' && format.IndexOf('}', i) is var end and > 0)
            {
                text.Append(Field(format[(i + 1)..end], record));
                i = end;
            }
            else
            {
                text.Append(format[i]);
            }
        }

        return text.ToString();
    }

    private static string Field(string name, in ConsumedRecord<byte[]?, byte[]?> record) => name switch
    {
        "topic" => record.Partition.Topic,
        "partition" => record.Partition.Partition.ToString(CultureInfo.InvariantCulture),
        "offset" => record.Offset.ToString(CultureInfo.InvariantCulture),
        "time" => Iso(record.TimestampMs),
        "key" => Text(record.Key),
        "value" => Text(record.Value),
        "headers" => string.Join(",", record.Headers.Select(header => $"{header.Key}={Text(header.Value?.ToArray())}")),
        _ => throw new CommandException($"--format has no {{{name}}}; there are {{topic}}, {{partition}}, {{offset}}, {{time}}, {{key}}, {{value}} and {{headers}}."),
    };

    private static string Text(byte[]? bytes) => bytes is null ? "" : Encoding.UTF8.GetString(bytes);

    private static string Iso(long timestampMs) =>
        timestampMs is < 0 or > 253402300799999 ? timestampMs.ToString(CultureInfo.InvariantCulture) : DateTimeOffset.FromUnixTimeMilliseconds(timestampMs).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

    /// <summary>One line of JSON, so that a program can read a record a line.</summary>
    private static string ToJson(in ConsumedRecord<byte[]?, byte[]?> record)
    {
        using MemoryStream json = new();
        using (Utf8JsonWriter writer = new(json))
        {
            writer.WriteStartObject();
            writer.WriteString("topic", record.Partition.Topic);
            writer.WriteNumber("partition", record.Partition.Partition);
            writer.WriteNumber("offset", record.Offset);
            writer.WriteNumber("timestamp", record.TimestampMs);
            Write(writer, "key", record.Key);
            Write(writer, "value", record.Value);
            writer.WriteStartArray("headers");
            foreach (RecordHeader header in record.Headers)
            {
                writer.WriteStartObject();
                writer.WriteString("name", header.Key);
                Write(writer, "value", header.Value?.ToArray());
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(json.ToArray());
    }

    /// <summary>As text if it is text, else in base64 under a name that says so.</summary>
    private static void Write(Utf8JsonWriter writer, string name, byte[]? bytes)
    {
        if (bytes is null)
        {
            writer.WriteNull(name);
        }
        else if (Utf8.IsValid(bytes))
        {
            writer.WriteString(name, bytes);
        }
        else
        {
            writer.WriteBase64String($"{name}_base64", bytes);
        }
    }
}
