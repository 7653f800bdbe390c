using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Protocols.Kafka.Wire.Tests.Support;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>Fields that are set although the version to write does not have them.</summary>
public sealed class FieldVersionTests
{
    [Fact]
    public void A_field_that_may_be_ignored_is_left_out()
    {
        var request = new MetadataRequest { Topics = [new() { Name = "a", TopicId = Guid.Parse("01020304-0506-0708-090a-0b0c0d0e0f10") }] };
        Assert.Equal(Codec.Write(new MetadataRequest { Topics = [new() { Name = "a" }] }, 9), Codec.Write(request, 9));
    }

    [Fact]
    public void A_field_that_may_not_be_ignored_is_an_error_that_names_it()
    {
        var request = new FetchRequest { ForgottenTopicsData = [new() { Topic = "a" }] };
        KafkaWriteException error = Assert.Throws<KafkaWriteException>(() => Codec.Write(request, 6));
        Assert.Contains("FetchRequest.ForgottenTopicsData", error.Message, StringComparison.Ordinal);
        Codec.Write(request, 7);
    }

    [Fact]
    public void So_is_a_tagged_one()
    {
        var response = new FetchResponse { NodeEndpoints = [new() { NodeId = 1, Host = "h" }] };
        Assert.Throws<KafkaWriteException>(() => Codec.Write(response, 15));
        Codec.Write(response, 16);
    }

    [Fact]
    public void Null_is_refused_in_versions_that_have_no_null()
    {
        var request = new MetadataRequest { Topics = null };
        Assert.Throws<KafkaWriteException>(() => Codec.Write(request, 0));
        Assert.Null(Codec.Read(new MetadataRequest(), Codec.Write(request, 1), 1).Topics);
        Assert.Throws<KafkaParseException>(() => Codec.Read(new MetadataRequest(), new byte[] { 0xFF, 0xFF, 0xFF, 0xFF }, 0));
    }

    [Fact]
    public void Records_that_may_not_be_null_begin_empty()
    {
        var partition = new ShareFetchResponse.PartitionData();
        Assert.False(partition.Records.IsNull);
        Assert.True(new FetchResponse.PartitionData().Records.IsNull);
        partition.Records = default;
        var response = new ShareFetchResponse { Responses = [new() { Partitions = [partition] }] };
        Assert.Throws<KafkaWriteException>(() => Codec.Write(response, 1));
    }
}
