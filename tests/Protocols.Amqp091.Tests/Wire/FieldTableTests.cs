using Sluice.Broker.Definitions;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Tests.Wire;

/// <summary>AMQP-4.2.5.5: field tables, with RabbitMQ's types.</summary>
public sealed class FieldTableTests
{
    // One entry of each type, written by hand from the grammar.
    private const string AllTypes =
        "0161" + "7401" +
        "0162" + "62FF" +
        "0163" + "42FF" +
        "0164" + "73FFFE" +
        "0165" + "75FFFE" +
        "0166" + "49FFFFFFFD" +
        "0167" + "69FFFFFFFD" +
        "0168" + "6CFFFFFFFFFFFFFFFC" +
        "0169" + "4C7FFFFFFFFFFFFFFF" +
        "016A" + "663FC00000" +
        "016B" + "643FF8000000000000" +
        "016C" + "4402000004D2" +
        "016D" + "5300000002C3A9" +
        "016E" + "780000000200FF" +
        "016F" + "5400000000688F1C00" +
        "0170" + "56";

    [Fact]
    public void Each_type_becomes_its_argument()
    {
        Arguments read = ArgumentTable.Read(Convert.FromHexString(AllTypes));
        Assert.Equal(true, read["a"]);
        Assert.Equal(-1L, read["b"]);
        Assert.Equal(255L, read["c"]);
        Assert.Equal(-2L, read["d"]);
        Assert.Equal(65534L, read["e"]);
        Assert.Equal(-3L, read["f"]);
        Assert.Equal(4294967293L, read["g"]);
        Assert.Equal(-4L, read["h"]);
        Assert.Equal(long.MaxValue, read["i"]);
        Assert.Equal(1.5, read["j"]);
        Assert.Equal(1.5, read["k"]);
        Assert.Equal(12.34m, read["l"]);
        Assert.Equal("é", read["m"]);
        Assert.Equal(new byte[] { 0, 255 }, read["n"]);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(0x688F1C00), read["o"]);
        Assert.True(read.Has("p"));
        Assert.Null(read["p"]);
    }

    [Fact]
    public void Arrays_and_tables_nest()
    {
        TableBuilder table = new TableBuilder().BeginArray("list"u8).Item(1).Item("two").BeginItem(FieldType.Table).Add("x"u8, true).End().End().BeginTable("t"u8).Add("y"u8, 2.5).End();
        Arguments read = ArgumentTable.Read(table.Entries);
        var list = Assert.IsAssignableFrom<IReadOnlyList<object?>>(read["list"]);
        Assert.Equal([1L, "two", new Arguments(new Dictionary<string, object?> { ["x"] = true })], list);
        Assert.Equal(2.5, Assert.IsType<Arguments>(read["t"])["y"]);
    }

    [Fact]
    public void What_is_written_reads_back_the_same()
    {
        var arguments = new Arguments(new Dictionary<string, object?>
        {
            ["null"] = null,
            ["flag"] = false,
            ["number"] = long.MinValue,
            ["real"] = -0.25,
            ["text"] = "grüße",
            ["octets"] = new byte[] { 0xFF, 0 },
            ["time"] = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
            ["list"] = new object?[] { 1L, null, "x" },
            ["nested"] = new Arguments(new Dictionary<string, object?> { ["deep"] = 1L }),
        });
        var builder = new TableBuilder();
        ArgumentTable.Write(arguments, builder);
        Assert.Equal(arguments, ArgumentTable.Read(builder.Entries));
    }

    [Fact]
    public void Every_prefix_of_a_table_with_all_types_is_whole_at_entries_only()
    {
        byte[] table = Convert.FromHexString(AllTypes);
        int whole = 0;
        for (int length = 0; length <= table.Length; length++)
        {
            try
            {
                FieldTable.Check(table.AsSpan(0, length));
                whole++;
            }
            catch (AmqpException error)
            {
                Assert.Equal(ReplyCode.SyntaxError, error.Code);
            }
        }

        Assert.Equal(17, whole);
    }

    [Fact]
    public void Nesting_has_an_end()
    {
        byte[] table = Nested(FieldTable.NestingMax - 1);
        FieldTable.Check(table);
        AmqpException error = Assert.Throws<AmqpException>(() => FieldTable.Check(Nested(FieldTable.NestingMax)));
        Assert.Equal(ReplyCode.SyntaxError, error.Code);
        Assert.Throws<AmqpException>(() => FieldTable.Check(Nested(10_000)));
    }

    [Fact]
    public void A_length_beyond_the_table_is_refused()
    {
        byte[] table = [1, (byte)'k', (byte)'S', 0xFF, 0xFF, 0xFF, 0xFF, (byte)'v'];
        Assert.Throws<AmqpException>(() => FieldTable.Check(table));
    }

    [Fact]
    public void An_unknown_type_is_refused() => Assert.Throws<AmqpException>(() => FieldTable.Check([1, (byte)'k', (byte)'?', 0]));

    [Fact]
    public void A_timestamp_beyond_the_calendar_is_refused() =>
        Assert.Throws<AmqpException>(() => ArgumentTable.Read([1, (byte)'k', (byte)'T', 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]));

    private static byte[] Nested(int depth)
    {
        byte[] inner = [];
        for (int i = 0; i < depth; i++)
        {
            byte[] length = BitConverter.GetBytes(inner.Length);
            Array.Reverse(length);
            inner = [1, (byte)'n', (byte)'F', .. length, .. inner];
        }

        return inner;
    }
}
