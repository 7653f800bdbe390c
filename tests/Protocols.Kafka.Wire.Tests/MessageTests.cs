using System.Globalization;
using Sluice.Protocols.Kafka.Wire.Generator;
using Sluice.Protocols.Kafka.Wire.Tests.Support;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>What holds for every message in every version, with random values.</summary>
public sealed class MessageTests
{
    private const int RoundsPerVersion = 5;

    private static readonly IReadOnlyList<Schema> Schemas = CodecSources.Find(AppContext.BaseDirectory)!.Schemas();

    public static TheoryData<string> Names => [.. Schemas.Select(schema => schema.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_written_is_read_again(string name)
    {
        ForEach(name, (message, part, version) =>
        {
            byte[] bytes = Codec.Write(message, version);
            IKafkaMessage read = Codec.Read(MessageFiller.New(part), bytes, version);
            Assert.Equal(Codec.Dump(message), Codec.Dump(read));
            Assert.Equal(bytes, Codec.Write(read, version));
        });
    }

    /// <summary>Tables and generated code may agree with each other and still be wrong: these bytes are known to be right.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Bytes_that_Kafka_reads_and_writes_are_read_and_written_the_same(string name)
    {
        Schema schema = Schemas.Single(schema => schema.Name == name);
        string[][] golden = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Golden", "messages.txt")).Select(line => line.Split(' '))];
        foreach (StructSchema part in schema.Messages)
        {
            string[][] own = [.. golden.Where(words => words[0] == part.Name)];
            Assert.Equal(schema.Versions.All(), own.Select(words => short.Parse(words[1], CultureInfo.InvariantCulture)));
            foreach (string[] words in own)
            {
                short version = short.Parse(words[1], CultureInfo.InvariantCulture);
                string hex = words.Length > 2 ? words[2] : "";
                IKafkaMessage message = Codec.Read(MessageFiller.New(part), Convert.FromHexString(hex), version);
                Assert.Equal(hex, Convert.ToHexStringLower(Codec.Write(message, version)));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reading_sets_every_property_even_of_a_used_message(string name)
    {
        Schema schema = Schemas.Single(schema => schema.Name == name);
        foreach (StructSchema part in schema.Messages)
        {
            IKafkaMessage used = new MessageFiller(new Random(3)).Fill(part, schema.Versions.Max);
            IKafkaMessage message = new MessageFiller(new Random(4)).Fill(part, schema.Versions.Min);
            Codec.Read(used, Codec.Write(message, schema.Versions.Min), schema.Versions.Min);
            Assert.Equal(Codec.Dump(message), Codec.Dump(used));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void No_prefix_of_a_message_is_a_message(string name)
    {
        ForEach(name, (message, part, version) =>
        {
            byte[] bytes = Codec.Write(message, version);
            for (int length = 0; length < bytes.Length; length++)
            {
                Assert.Throws<KafkaParseException>(() => Codec.Read(MessageFiller.New(part), bytes.AsMemory(0, length), version));
            }
        }, rounds: 2);
    }

    /// <summary>Any four bytes may be a length that lies. Whatever it is taken for, memory is bounded by the bytes that are there.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void A_length_that_lies_costs_no_memory(string name)
    {
        ForEach(name, (message, part, version) =>
        {
            byte[] bytes = Codec.Write(message, version);
            for (int at = 0; at + 4 <= bytes.Length; at++)
            {
                byte[] lie = [.. bytes];
                lie.AsSpan(at, 4).Fill(0xFF);
                lie[at] = 0x7F;
                AssertFrugal(part, lie, version);
                lie[at] = 0xFF;
                lie[at + 3] = 0x07;
                AssertFrugal(part, lie, version);
            }
        }, rounds: 1);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_version_that_does_not_exist_is_refused(string name)
    {
        Schema schema = Schemas.Single(schema => schema.Name == name);
        foreach (StructSchema part in schema.Messages)
        {
            foreach (short version in new[] { (short)(schema.Versions.Min - 1), (short)(schema.Versions.Max + 1) })
            {
                Assert.Throws<KafkaParseException>(() => Codec.Read(MessageFiller.New(part), new byte[100], version));
                Assert.Throws<KafkaWriteException>(() => Codec.Write(MessageFiller.New(part), version));
            }
        }
    }

    /// <summary>A later peer may send more tagged fields than are known; they come last in a message.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Tagged_fields_that_are_not_known_are_skipped(string name)
    {
        ForEach(name, (message, part, version) =>
        {
            Schema schema = Schemas.Single(schema => schema.Name == name);
            if (!schema.Flexible.Contains(version))
            {
                return;
            }

            // A message's own tagged fields are left out, so that its last octet is their count.
            foreach (FieldSchema field in part.Fields.Where(field => field.Tag is not null))
            {
                message.GetType().GetProperty(field.Name)!.SetValue(message, MessageFiller.New(part).GetType().GetProperty(field.Name)!.GetValue(MessageFiller.New(part)));
            }

            byte[] bytes = Codec.Write(message, version);
            Assert.Equal(0, bytes[^1]);
            byte[] more = [.. bytes[..^1], 2, 0xD0, 0x0F, 3, 1, 2, 3, 0xD1, 0x0F, 0];
            Assert.Equal(Codec.Dump(message), Codec.Dump(Codec.Read(MessageFiller.New(part), more, version)));
            for (int cut = bytes.Length - 1; cut < more.Length; cut++)
            {
                Assert.Throws<KafkaParseException>(() => Codec.Read(MessageFiller.New(part), more.AsMemory(0, cut), version));
            }
        });
    }

    private static void AssertFrugal(StructSchema part, byte[] bytes, short version)
    {
        IKafkaMessage message = MessageFiller.New(part);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var reader = new KafkaReader(bytes);
            message.Read(ref reader, version);
        }
        catch (KafkaParseException)
        {
            // As good as an answer.
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < 64_000 + (bytes.Length * 200L), $"{allocated} bytes were allocated to read {bytes.Length}");
    }

    private static void ForEach(string name, Action<IKafkaMessage, StructSchema, short> check, int rounds = RoundsPerVersion)
    {
        Schema schema = Schemas.Single(schema => schema.Name == name);
        foreach (StructSchema part in schema.Messages)
        {
            foreach (short version in schema.Versions.All())
            {
                for (int round = 0; round < rounds; round++)
                {
                    check(new MessageFiller(new Random((version * 100) + round)).Fill(part, version), part, version);
                }
            }
        }
    }
}
