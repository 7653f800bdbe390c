using System.Buffers.Binary;
using System.Text;
using Sluice.Protocols.Amqp091.Tests.Generation;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Tests.Wire;

/// <summary>AMQP-4.2.4, AMQP-4.2.5: methods and their fields.</summary>
public sealed class MethodTests
{
    [Fact]
    public void Queue_declare_has_its_golden_bytes()
    {
        byte[] bytes = MethodEcho.Write(new QueueDeclare { Queue = "q1"u8, Durable = true, AutoDelete = true, Arguments = new TableBuilder().Add("x"u8, true).Entries });
        Assert.Equal("0032000A" + "0000" + "027131" + "0A" + "00000004" + "0178" + "7401", Convert.ToHexString(bytes));
    }

    [Fact]
    public void Basic_deliver_has_its_golden_bytes()
    {
        byte[] bytes = MethodEcho.Write(new BasicDeliver { ConsumerTag = "c"u8, DeliveryTag = 0x0102030405060708, Redelivered = true, Exchange = "e"u8, RoutingKey = "rk"u8 });
        Assert.Equal("003C003C" + "0163" + "0102030405060708" + "01" + "0165" + "02726B", Convert.ToHexString(bytes));
    }

    [Fact]
    public void Connection_tune_has_its_golden_bytes() =>
        Assert.Equal("000A001E" + "07FF" + "00020000" + "003C", Convert.ToHexString(MethodEcho.Write(new ConnectionTune { ChannelMax = 2047, FrameMax = 131072, Heartbeat = 60 })));

    [Fact]
    public void Basic_ack_frame_has_its_golden_bytes()
    {
        byte[] frame = new byte[FrameWriter.MethodFrameSize(new BasicAck())];
        Assert.Equal(frame.Length, FrameWriter.WriteMethod(frame, 3, new BasicAck { DeliveryTag = 5, Multiple = true }));
        Assert.Equal("01" + "0003" + "0000000D" + "003C0050" + "0000000000000005" + "01" + "CE", Convert.ToHexString(frame));
    }

    [Fact]
    public void Every_method_of_the_table_reads_back_what_it_wrote()
    {
        Assert.All(Samples(), sample =>
        {
            byte[] payload = MethodEchoes.All[sample.Id](sample.Arguments);
            Assert.Equal(sample.Id, BinaryPrimitives.ReadUInt32BigEndian(payload));
            Assert.Equal(Convert.ToHexString(sample.Arguments), Convert.ToHexString(payload.AsSpan(4)));
        });
        Assert.Equal(MethodEchoes.All.Count, Samples().Count);
    }

    [Fact]
    public void Every_prefix_of_every_method_is_refused_as_a_frame_error()
    {
        Assert.All(Samples(), sample =>
        {
            for (int length = 0; length < sample.Arguments.Length; length++)
            {
                byte[] prefix = sample.Arguments[..length];
                AmqpException error = Assert.Throws<AmqpException>(() => MethodEchoes.All[sample.Id](prefix));
                Assert.True(error.Code is ReplyCode.FrameError or ReplyCode.SyntaxError, error.Message);
            }
        });
    }

    [Fact]
    public void Octets_after_the_last_argument_are_refused() =>
        Assert.All(Samples(), sample => Assert.Throws<AmqpException>(() => MethodEchoes.All[sample.Id]([.. sample.Arguments, 0])));

    [Fact]
    public void A_short_string_that_is_not_utf8_is_refused()
    {
        byte[] arguments = [0x02, 0xC3, 0x28, 0];
        AmqpException error = Assert.Throws<AmqpException>(() => MethodEchoes.All[MethodIds.BasicCancel](arguments));
        Assert.Equal("FRAME_ERROR - Malformed UTF-8 in shortstr", error.Message);
    }

    /// <summary>Arguments with every field set, built from the table and not by the code under test.</summary>
    private static List<(uint Id, byte[] Arguments)> Samples()
    {
        var samples = new List<(uint, byte[])>();
        uint classId = 0;
        foreach (string[] words in GeneratedCodeTests.Table().Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split(' ')))
        {
            if (words[0] == "class")
            {
                classId = uint.Parse(words[2]);
                continue;
            }

            var bytes = new List<byte>();
            int bits = 0;
            foreach (string[] field in words.Skip(2).Select(w => w.Split(':')))
            {
                bool isReserved = field[0] == "reserved";
                if (field[1] == "bit")
                {
                    if (bits % 8 == 0)
                    {
                        bytes.Add(0);
                    }

                    bytes[^1] |= (byte)(isReserved ? 0 : 1 << (bits % 8));
                    bits++;
                    continue;
                }

                bits = 0;
                bytes.AddRange(Sample(field[1], field[0], isReserved));
            }

            samples.Add(((classId << 16) | uint.Parse(words[0]), [.. bytes]));
        }

        return samples;
    }

    private static byte[] Sample(string type, string name, bool isReserved)
    {
        byte[] text = isReserved ? [] : Encoding.UTF8.GetBytes(name + "é");
        return type switch
        {
            "octet" => [(byte)(isReserved ? 0 : 0x81)],
            "short" => isReserved ? [0, 0] : [0x81, 0x02],
            "long" => [0x81, 2, 3, 4],
            "longlong" => [0x81, 2, 3, 4, 5, 6, 7, 8],
            "shortstr" => [(byte)text.Length, .. text],
            "longstr" => [0, 0, 0, (byte)text.Length, .. text],
            "table" => [0, 0, 0, 8, 1, (byte)'k', (byte)'S', 0, 0, 0, 1, (byte)'v'],
            _ => throw new ArgumentException(type),
        };
    }
}
