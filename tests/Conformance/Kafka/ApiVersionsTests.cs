using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>ApiVersions: KIP-35, KIP-511.</summary>
public sealed class ApiVersionsTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.ApiVersions);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task ApiVersions_lists_every_api_once_with_the_versions_that_Kafka_has(int version)
    {
        ApiVersionsResponse response = await Client.AskAsync<ApiVersionsResponse>(Request(), version);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        Assert.Equal(0, response.ThrottleTimeMs);
        Assert.Equal(response.ApiKeys.Length, response.ApiKeys.DistinctBy(static api => api.ApiKey).Count());
        foreach (ApiVersionsResponse.ApiVersion served in response.ApiKeys)
        {
            if (KafkaApis.Find(served.ApiKey) is { } api)
            {
                Assert.Equal((api.Key, api.AdvertisedMinVersion, api.MaxVersion), (api.Key, served.MinVersion, served.MaxVersion));
            }
            else
            {
                Assert.True(BrokerFixture.IsKafka, $"API {served.ApiKey} is served but its messages are not known");
            }
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(99)]
    [InlineData(-1)]
    [InlineData(short.MaxValue)]
    public async Task KIP511_ApiVersions_of_a_version_to_come_is_answered_in_version_0_with_its_own_range(int version)
    {
        // Header version 2 as all later versions have; -1 is header version 1.
        byte[] body = version < 0 ? [] : Hex("00 05 6e616d65 02 31 00");
        await Client.SendBytesAsync(RawClient.Frame([0, 18, (byte)(version >> 8), (byte)version, 0, 0, 0, 7, 0xFF, 0xFF, .. body]));
        byte[]? frame = await Client.ReceiveFrameAsync();
        Assert.NotNull(frame);
        ApiVersionsResponse response = RawClient.Read<ApiVersionsResponse>(frame, 0, 7);
        Assert.Equal(KafkaErrorCode.UnsupportedVersion, response.ErrorCode);
        ApiVersionsResponse.ApiVersion only = Assert.Single(response.ApiKeys);
        Assert.Equal((18, 0, 4), (only.ApiKey, only.MinVersion, only.MaxVersion));
        await ServesAsync(Client);
    }

    [Theory]
    [InlineData("", "1.0")]
    [InlineData("client", "")]
    [InlineData("-client", "1.0")]
    [InlineData("client-", "1.0")]
    [InlineData("client", ".1")]
    [InlineData("my client", "1.0")]
    [InlineData("client", "1.0!")]
    [InlineData("clïent", "1.0")]
    [InlineData("client_1", "1.0")]
    public async Task KIP511_ApiVersions_v3_refuses_names_of_client_software_that_break_the_pattern(string name, string softwareVersion)
    {
        foreach (int version in (int[])[3, 4])
        {
            ApiVersionsResponse response = await Client.AskAsync<ApiVersionsResponse>(new ApiVersionsRequest { ClientSoftwareName = name, ClientSoftwareVersion = softwareVersion }, version);
            Assert.Equal(KafkaErrorCode.InvalidRequest, response.ErrorCode);
            Assert.Empty(response.ApiKeys);
        }

        await ServesAsync(Client);
    }

    [Theory]
    [InlineData("a", "1")]
    [InlineData("Apache-Kafka.4", "4.3.1-SNAPSHOT")]
    [InlineData("0", "0")]
    public async Task KIP511_ApiVersions_v3_takes_names_of_client_software(string name, string softwareVersion)
    {
        ApiVersionsResponse response = await Client.AskAsync<ApiVersionsResponse>(new ApiVersionsRequest { ClientSoftwareName = name, ClientSoftwareVersion = softwareVersion }, 3);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
    }

    [Fact]
    public async Task KIP511_ApiVersions_v3_takes_a_long_name_of_client_software()
    {
        ApiVersionsResponse response = await Client.AskAsync<ApiVersionsResponse>(new ApiVersionsRequest { ClientSoftwareName = new string('a', 1000), ClientSoftwareVersion = "1" }, 3);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
    }

    private static ApiVersionsRequest Request() => new() { ClientSoftwareName = "conformance", ClientSoftwareVersion = "1.0" };
}
