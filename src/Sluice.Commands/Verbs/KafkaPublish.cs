using System.CommandLine;
using System.Text;
using Sluice.Client;
using Sluice.Client.Producing;
using Sluice.Commands.Client;
using Sluice.LoadGenerator.Kafka;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Commands.Verbs;

/// <summary>sluice publish --kafka: records for a topic.</summary>
internal static class KafkaPublish
{
    private static readonly Option<string?> Key = new("--key") { Description = "Kafka: the record's key (none).", HelpName = "text" };
    private static readonly Option<string?> KeySeparator = new("--key-separator") { Description = "Kafka, with --lines: what stands between key and message in each line.", HelpName = "text" };
    private static readonly Option<int?> Partition = new("--partition") { Description = "Kafka: the partition (by the key, or any).", HelpName = "n" };
    private static readonly Option<string> AcksOption = new("--acks") { Description = "Kafka: when the broker answers: 0, 1 or all (all).", HelpName = "0|1|all", DefaultValueFactory = _ => "all" };
    private static readonly Option<string> Compression = new("--compression") { Description = "Kafka: none, gzip, snappy, lz4 or zstd (none).", HelpName = "type", DefaultValueFactory = _ => "none" };

    /// <summary>Speak Kafka's protocol, about this topic.</summary>
    public static Option<string?> Topic { get; } = new("--kafka") { Description = "Send records to this topic by Kafka's protocol; the message is the only argument then.", HelpName = "topic" };

    /// <summary>All that Kafka adds to the verb.</summary>
    public static Symbol[] Options => [Topic, .. OwnOptions];

    /// <summary>Those that make no sense without <see cref="Topic"/>.</summary>
    public static Option[] OwnOptions => [Key, KeySeparator, Partition, AcksOption, Compression, .. KafkaOptions.Access];

    /// <param name="invocation">Of the verb.</param>
    /// <param name="eachAsync">Gives the messages to whom it is called with, and ends when that one's second part says so.</param>
    /// <param name="isLines">They are lines.</param>
    /// <param name="headers">As key=value.</param>
    public static async Task<int> RunAsync(Invocation invocation, Func<Func<byte[], ValueTask>, Func<bool>, Task> eachAsync, bool isLines, string[] headers)
    {
        try
        {
            return await PublishAsync(invocation, eachAsync, isLines, headers).ConfigureAwait(false);
        }
        catch (KafkaClientException error)
        {
            throw KafkaAdvice.Of(error, invocation, invocation.Value(Topic)!);
        }
    }

    private static async Task<int> PublishAsync(Invocation invocation, Func<Func<byte[], ValueTask>, Func<bool>, Task> eachAsync, bool isLines, string[] headers)
    {
        string topic = invocation.Value(Topic)!;
        byte[]? separator = invocation.Value(KeySeparator) is { Length: > 0 } text ? Encoding.UTF8.GetBytes(text) : null;
        if (separator is not null && !isLines)
        {
            throw new CommandException("--key-separator is for --lines.");
        }

        byte[]? key = invocation.Value(Key) is { } given ? Encoding.UTF8.GetBytes(given) : null;
        RecordHeader[] recordHeaders = [.. headers.Select(ToHeader)];
        var deliveries = new Deliveries();
        ProducerOptions options = ToOptions(invocation);
        await using (var producer = new KafkaProducer<byte[]?, byte[]?>(options))
        {
            using ProgressLine progress = invocation.Progress();
            await eachAsync(SendAsync, () => deliveries.Failure is null).ConfigureAwait(false);
            await producer.FlushAsync(invocation.Cancel).ConfigureAwait(false);

            async ValueTask SendAsync(byte[] body)
            {
                (byte[]? ownKey, byte[] value) = separator is null ? (key, body) : Split(body, separator);
                var record = new ProducerRecord<byte[]?, byte[]?>(topic, ownKey, value) { Partition = invocation.Value(Partition), Headers = recordHeaders };
                try
                {
                    await producer.EnqueueAsync(record, deliveries, cancel: invocation.Cancel).ConfigureAwait(false);
                }
                catch (KafkaClientException error) when (error.ErrorCode == KafkaErrorCode.MessageTooLarge)
                {
                    throw new CommandException($"A message of {value.Length:N0} bytes is too large: with its key and headers it has at most {options.RequestBytesMax:N0} bytes with --kafka.");
                }

                progress.Show($"{deliveries.Delivered:N0} records acknowledged");
            }
        }

        if (deliveries.Failure is { } failure)
        {
            string which = deliveries.Failed == 1 ? "A record was not acknowledged" : $"{deliveries.Failed:N0} records were not acknowledged";
            string others = deliveries.Delivered + deliveries.Failed == 1 ? "" : $" {deliveries.Delivered:N0} of {deliveries.Delivered + deliveries.Failed:N0} were acknowledged.";
            throw new CommandException($"{which}: {(failure is KafkaClientException known ? KafkaAdvice.Of(known, invocation, topic) : failure).Message}{others}");
        }

        return invocation.Done($"{deliveries.Delivered:N0} published and acknowledged.", "published", deliveries.Delivered);
    }

    private static ProducerOptions ToOptions(Invocation invocation)
    {
        Acks acks = Read(AcksOption, KafkaLoadSettings.ParseAcks);
        return new ProducerOptions
        {
            BootstrapServers = invocation.Servers(),
            ClientId = "sluice command",
            Sasl = invocation.Login(),
            Tls = invocation.Tls(),
            MaxBlock = TimeSpan.FromSeconds(15),
            RetriesFirstConnection = false,
            OnBackgroundError = new TroubleLog(invocation.Error).Tell,
            Acks = acks,
            EnableIdempotence = acks == Acks.All,
            Compression = Read(Compression, KafkaLoadSettings.ParseCompression),

            // Many lines come faster than they could be sent one by one.
            Linger = TimeSpan.FromMilliseconds(5),
        };

        T Read<T>(Option<string> option, Func<string, T> parse)
        {
            try
            {
                return parse(invocation.Value(option));
            }
            catch (FormatException error)
            {
                throw new CommandException($"{option.Name} cannot be '{invocation.Value(option)}': {error.Message}");
            }
        }
    }

    private static RecordHeader ToHeader(string pair)
    {
        int equals = pair.IndexOf('=', StringComparison.Ordinal);
        return new RecordHeader(pair[..equals], Encoding.UTF8.GetBytes(pair[(equals + 1)..]));
    }

    private static (byte[]? Key, byte[] Value) Split(byte[] line, byte[] separator)
    {
        int at = line.AsSpan().IndexOf(separator);
        return at < 0
            ? throw new CommandException($"A line lacks the separator between key and message: '{Encoding.UTF8.GetString(line)}'")
            : (line[..at], line[(at + separator.Length)..]);
    }

    private sealed class Deliveries : IDeliveryObserver
    {
        private long _delivered;
        private long _failed;
        private Exception? _failure;

        public long Delivered => Volatile.Read(ref _delivered);

        public long Failed => Volatile.Read(ref _failed);

        public Exception? Failure => Volatile.Read(ref _failure);

        public void OnDelivery(in RecordMetadata metadata, Exception? error, long token)
        {
            if (error is null)
            {
                Interlocked.Increment(ref _delivered);
            }
            else
            {
                Interlocked.Increment(ref _failed);
                Interlocked.CompareExchange(ref _failure, error, null);
            }
        }
    }
}
