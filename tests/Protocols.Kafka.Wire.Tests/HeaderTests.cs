using Sluice.Protocols.Kafka.Wire.Tests.Support;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>Headers, and which version of them goes with which version of an API.</summary>
public sealed class HeaderTests
{
    [Theory]
    [InlineData(8, "c", "0003000800000005000163")]
    [InlineData(9, null, "0003000900000005ffff00")]
    public void Request_header(short version, string? clientId, string hex)
    {
        var header = new KafkaRequestHeader((short)KafkaApiKey.Metadata, version, 5, clientId);
        byte[] bytes = Codec.Write(header.Write);
        Assert.Equal(hex, Convert.ToHexStringLower(bytes));
        Assert.Equal(header, ReadRequest(bytes, bytes.Length));
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Throws<KafkaParseException>(() => ReadRequest(bytes.AsMemory(0, length), 0));
        }
    }

    [Fact]
    public void Tagged_fields_of_a_request_header_are_skipped()
    {
        byte[] bytes = Convert.FromHexString("0003000900000005ffff" + "01" + "07" + "02" + "0102");
        Assert.Equal(new KafkaRequestHeader(3, 9, 5, null), ReadRequest(bytes, bytes.Length));
    }

    [Fact]
    public void A_request_of_an_API_that_is_not_known_has_a_header_all_the_same()
    {
        byte[] bytes = Convert.FromHexString("7fff0001000000050001636162");
        Assert.Equal(new KafkaRequestHeader(short.MaxValue, 1, 5, "c"), ReadRequest(bytes, bytes.Length - 2));
    }

    [Theory]
    [InlineData(0, "00000005")]
    [InlineData(1, "0000000500")]
    public void Response_header(short headerVersion, string hex)
    {
        byte[] bytes = Codec.Write(writer => new KafkaResponseHeader(5).Write(writer, headerVersion));
        Assert.Equal(hex, Convert.ToHexStringLower(bytes));
        var reader = new KafkaReader(bytes);
        Assert.Equal(new KafkaResponseHeader(5), KafkaResponseHeader.Read(ref reader, headerVersion));
        reader.End();
    }

    /// <summary>What a Kafka 4.3.1 broker answers to ApiVersions, as far as the APIs are known here.</summary>
    [Fact]
    public void Versions_are_those_of_a_Kafka_broker()
    {
        const string Expected =
            "0:0-13 1:4-18 2:1-11 3:0-13 8:2-10 9:1-10 10:0-6 11:0-9 12:0-4 13:0-5 14:0-5 15:0-6 16:0-5 17:0-1 18:0-4 19:2-7 20:1-6 21:0-2 22:0-5 23:2-4 24:0-5 25:0-4 26:0-5 " +
            "27:1-2 28:0-5 29:1-3 30:1-3 31:1-3 32:1-4 33:0-2 34:1-2 35:1-5 36:0-2 37:0-3 42:0-2 43:0-2 44:0-1 45:0-1 46:0-0 47:0-0 48:0-1 49:0-1 50:0-0 51:0-0 55:0-2 57:0-2 " +
            "60:0-2 61:0-0 65:0-0 66:0-2 68:0-1 69:0-1 71:0-0 72:0-0 74:0-1 75:0-0 76:1-1 77:1-1 78:1-2 79:1-2 88:0-0 89:0-0 90:0-1 91:0-0 92:0-0";
        Assert.Equal(Expected, string.Join(' ', KafkaApis.All.Select(api => $"{(short)api.Key}:{api.AdvertisedMinVersion}-{api.MaxVersion}")));
        Assert.Equal([KafkaApiKey.Produce], KafkaApis.All.Where(api => api.MinVersion != api.AdvertisedMinVersion).Select(api => api.Key));
        Assert.Equal(3, KafkaApis.Get(KafkaApiKey.Produce).MinVersion);
    }

    /// <summary>Request and response header version of each version of an API, as Kafka's own classes give them.</summary>
    [Theory]
    [InlineData(KafkaApiKey.Produce, "1/0 1/0 1/0 1/0 1/0 1/0 2/1 2/1 2/1 2/1 2/1")]
    [InlineData(KafkaApiKey.SaslHandshake, "1/0 1/0")]
    [InlineData(KafkaApiKey.ApiVersions, "1/0 1/0 1/0 2/0 2/0")]
    [InlineData(KafkaApiKey.WriteTxnMarkers, "2/1 2/1")]
    [InlineData(KafkaApiKey.OffsetDelete, "1/0")]
    [InlineData(KafkaApiKey.ShareFetch, "2/1 2/1")]
    public void Header_versions(KafkaApiKey key, string expected)
    {
        KafkaApi api = KafkaApis.Get(key);
        Assert.Equal(expected, string.Join(' ', Enumerable.Range(api.MinVersion, api.MaxVersion - api.MinVersion + 1).Select(version => $"{api.RequestHeaderVersion((short)version)}/{api.ResponseHeaderVersion((short)version)}")));
    }

    [Fact]
    public void APIs_are_found_by_key()
    {
        Assert.All(KafkaApis.All, api => Assert.Same(api, KafkaApis.Find((short)api.Key)));
        Assert.Null(KafkaApis.Find((short)KafkaApiKey.CreateDelegationToken));
        Assert.Null(KafkaApis.Find(-1));
        Assert.Null(KafkaApis.Find(short.MaxValue));
        Assert.Equal("FetchRequest", KafkaApis.Get(KafkaApiKey.Fetch).NewRequest().GetType().Name);
        Assert.Equal("FetchResponse", KafkaApis.Get(KafkaApiKey.Fetch).NewResponse().GetType().Name);
    }

    [Fact]
    public void Error_codes_have_their_numbers_and_know_whether_to_retry()
    {
        Assert.Equal(-1, (short)KafkaErrorCode.UnknownServerError);
        Assert.Equal(16, (short)KafkaErrorCode.NotCoordinator);
        Assert.Equal(133, (short)KafkaErrorCode.ShareSessionLimitReached);
        Assert.Equal(135, Enum.GetValues<KafkaErrorCode>().Length);
        Assert.True(KafkaErrorCode.NotCoordinator.IsRetriable());
        Assert.False(KafkaErrorCode.TopicAuthorizationFailed.IsRetriable());
        Assert.False(KafkaErrorCode.None.IsRetriable());
    }

    private static KafkaRequestHeader ReadRequest(ReadOnlyMemory<byte> bytes, int end)
    {
        var reader = new KafkaReader(bytes);
        KafkaRequestHeader header = KafkaRequestHeader.Read(ref reader);
        Assert.Equal(end, reader.Position);
        return header;
    }
}
