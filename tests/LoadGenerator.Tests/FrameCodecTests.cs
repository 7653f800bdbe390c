using Sluice.LoadGenerator.Client;
using Xunit;

namespace Sluice.LoadGenerator.Tests;

public sealed class FrameCodecTests
{
    [Fact]
    public void A_method_frame_has_the_bytes_of_the_specification()
    {
        FrameWriter writer = new();
        writer.BeginMethod(1, AmqpMethods.BasicPublish).Short(0).ShortString("").ShortString("q").Octet(0).EndFrame();
        Assert.Equal("01-00-01-00-00-00-0A-00-3C-00-28-00-00-00-01-71-00-CE", BitConverter.ToString(writer.Written.ToArray()));
    }

    [Fact]
    public void A_table_comes_back_as_it_was_written()
    {
        Dictionary<string, object?> table = new()
        {
            ["nothing"] = null,
            ["yes"] = true,
            ["long"] = long.MinValue,
            ["text"] = "größe",
            ["double"] = 0.25,
            ["nested"] = new Dictionary<string, object?> { ["inner"] = 5L },
            ["list"] = new List<object?> { "a", 1L },
        };
        FrameWriter writer = new();
        writer.Table(table);
        FieldReader reader = new(writer.Written);
        Assert.Equivalent(table, reader.Table(), strict: true);
    }

    [Fact]
    public void Fields_that_end_early_are_an_error_and_not_a_crash()
    {
        FrameWriter writer = new();
        writer.Table(new Dictionary<string, object?> { ["key"] = "value", ["n"] = 7L });
        for (int length = 0; length < writer.Count; length++)
        {
            byte[] prefix = writer.Written[..length].ToArray();
            Assert.Throws<AmqpProtocolException>(() => new FieldReader(prefix).Table());
        }
    }

    [Fact]
    public void A_name_longer_than_255_bytes_is_refused() =>
        Assert.Throws<ArgumentException>(() => new FrameWriter().ShortString(new string('x', 256)));
}
