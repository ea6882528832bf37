// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract AnnounceTest is SwarmTest {
    function test_RevertGiven_TheCallerIsAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _as(STRANGER);
        swarm.announce("here");
    }

    function test_RevertGiven_TheCallerWasRemoved() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _as(_node(0));
        swarm.announce("here");
    }

    function test_GivenTheCallerIsSuspended() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeAnnounced(_node(0), "/dns4/a.example/tcp/443");
        _as(_node(0));
        swarm.announce("/dns4/a.example/tcp/443");
    }

    function test_RevertWhen_TheAnnouncementIsTooLong() public {
        _add(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.StoresTooLong.selector, 513, 512));
        _as(_node(0));
        swarm.announce(new bytes(513));
    }

    function test_WhenTheAnnouncementIsAsLongAsCanBe() public {
        _add(_node(0));
        bytes memory stores = new bytes(512);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeAnnounced(_node(0), stores);
        _as(_node(0));
        swarm.announce(stores);
    }
}
