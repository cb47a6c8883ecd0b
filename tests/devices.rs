//! Adapters on the machine that runs the tests.

use std::time::Duration;

use spectrank::gpu::{
    self, AdapterChoice, AdapterDescription, AdapterError, AdapterKind, DeviceFault, OpenDevice, PollFailure,
};

/// The adapters of this machine. Without any, the test is skipped aloud, or fails where one is required.
fn adapters() -> Option<Vec<AdapterDescription>> {
    let list = gpu::list();
    if !list.is_empty() {
        return Some(list);
    }
    let why = gpu::diagnose(&list, &gpu::Environment::probe());
    assert_ne!(std::env::var("SPECTRANK_REQUIRE_GPU").as_deref(), Ok("1"), "an adapter is required: {why}");
    eprintln!("SKIPPED: {why}");
    None
}

/// A device on any adapter: the software one where there is one, so that a test behaves alike everywhere.
fn open_any(list: &[AdapterDescription]) -> OpenDevice {
    let choice = match list.iter().find(|a| a.kind == AdapterKind::Cpu) {
        Some(software) => AdapterChoice::Name(software.name.clone()),
        None => AdapterChoice::Index(0),
    };
    gpu::open(&choice).expect("a listed adapter opens")
}

#[test]
fn adapters_are_listed_with_their_limits() {
    let Some(list) = adapters() else { return };
    for (i, adapter) in list.iter().enumerate() {
        assert_eq!(adapter.index, i);
        assert!(!adapter.name.is_empty());
        assert!(adapter.max_binding_bytes <= adapter.max_buffer_bytes, "{adapter:?}");
        assert!(adapter.max_workgroup_memory_bytes >= 16 << 10, "{adapter:?}");
        assert!(adapter.max_workgroup_invocations >= 256, "{adapter:?}");
        assert!(adapter.max_storage_buffers >= 8, "{adapter:?}");
    }
    let chosen = gpu::choose(&list, &AdapterChoice::Auto).ok();
    let table = gpu::devices_table(&list, chosen);
    println!("{table}");
    assert_eq!(table.contains("auto: the CPU engine"), chosen.is_none());
}

#[test]
fn the_software_adapter_opens_by_name() {
    let Some(list) = adapters() else { return };
    let Some(software) = list.iter().find(|a| a.kind == AdapterKind::Cpu) else {
        eprintln!("SKIPPED: no software adapter");
        return;
    };
    let open = open_any(&list);
    assert_eq!(open.description.name, software.name);
    assert_eq!(open.device.limits().max_storage_buffer_binding_size, software.max_binding_bytes);
    assert_eq!(open.has_subgroups(), software.subgroup.is_some());
    assert_eq!(open.take_error(), None);
    assert!(!open.is_lost());
}

#[test]
fn auto_never_takes_a_software_adapter() {
    let Some(list) = adapters() else { return };
    match gpu::open(&AdapterChoice::Auto) {
        Ok(open) => assert!(open.description.kind.is_gpu()),
        Err(error) => {
            assert!(list.iter().all(|a| !a.kind.is_gpu()), "{error}");
            assert!(matches!(error, AdapterError::NoAdapter { .. }), "{error}");
        }
    }
}

#[test]
fn a_wrong_call_is_recorded_and_does_not_panic() {
    let Some(list) = adapters() else { return };
    let open = open_any(&list);
    let descriptor = wgpu::BufferDescriptor {
        label: Some("a buffer with contradictory uses"),
        size: 4,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    };
    drop(open.device.create_buffer(&descriptor));
    assert!(matches!(open.take_error(), Some(DeviceFault::Validation(_))));
    assert_eq!(open.take_error(), None);
}

#[test]
fn a_shader_with_an_error_is_recorded() {
    let Some(list) = adapters() else { return };
    let open = open_any(&list);
    let source = wgpu::ShaderSource::Wgsl("fn broken(".into());
    drop(open.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source }));
    assert!(matches!(open.take_error(), Some(DeviceFault::Validation(_))));
}

#[test]
fn a_submission_is_waited_for() {
    let Some(list) = adapters() else { return };
    let open = open_any(&list);
    let submission_index = Some(open.queue.submit([]));
    let timeout = Some(Duration::from_secs(10));
    let status = open.poll(wgpu::PollType::Wait { submission_index, timeout });
    assert!(status.as_ref().is_ok_and(|status| status.wait_finished()), "{status:?}");
}

#[test]
fn a_destroyed_device_is_lost() {
    let Some(list) = adapters() else { return };
    let open = open_any(&list);
    open.device.destroy();
    // The callback runs from a poll.
    assert_eq!(open.poll(wgpu::PollType::Poll), Ok(wgpu::PollStatus::QueueEmpty));
    assert!(open.is_lost());
    assert_eq!(open.lost_reason(), Some("Destroyed"));
}

#[test]
fn work_for_a_lost_device_is_refused_and_the_loss_is_known() {
    let Some(list) = adapters() else { return };
    let open = open_any(&list);
    open.device.destroy();
    let submission_index = Some(open.queue.submit([]));
    let status = open.poll(wgpu::PollType::Wait { submission_index, timeout: None });
    assert!(matches!(status, Err(PollFailure::NotSubmitted(_))), "{status:?}");
    assert!(open.is_lost());
}
